"""`slipway drift`: data compared on this machine, without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from shared.cli.errors import CliError, ExitCode
from shared.cli.options import Options, options_with_outputs

if TYPE_CHECKING:
    from shared.resources.monitor_result import MonitorResult


@click.group("drift")
def drift() -> None:
    """Whether data have moved."""


@drift.command("compare")
@click.argument("baseline", metavar="BASE", type=click.Path())
@click.argument("current", metavar="CURRENT", type=click.Path())
@click.option(
    "--metrics", multiple=True, metavar="NAME[=THRESHOLD]", help="Instead of the default ones; or separated by commas."
)
@click.option("--features", multiple=True, metavar="COLUMN", help="Instead of all common ones; or separated by commas.")
@click.option("--type", "types", multiple=True, metavar="COLUMN=TYPE", help="numerical or categorical.")
@click.option("--compatibility", type=click.Choice(["slipway", "azureml"]), default="slipway", show_default=True)
@click.option("--quality", is_flag=True, help="Nulls, type errors and values out of bounds, too.")
@click.option("--minimum-sample-size", type=click.IntRange(min=1), default=50, show_default=True, help="Values a side.")
@click.option(
    "--bootstrap", type=click.IntRange(0, 10_000), default=0, metavar="N", help="95 % intervals by N samples."
)
@click.option("--save-baseline", type=click.Path(), default="", metavar="FILE.sketch", help="Keep what BASE says.")
@options_with_outputs("table", "json", "markdown", "html")
def compare(options: Options, baseline: str, current: str, types: tuple[str, ...], **asked: Any) -> None:
    """Compare CURRENT with BASE: Parquet, CSV or JSON Lines files; BASE may be a sketch that was kept.

    Exit code 0 without drift, 8 with drift, 1 when too few values were there to say anything.
    """
    told = [text.partition("=") for text in types]
    if wrong := [name for name, _, kind in told if kind not in ("numerical", "categorical")]:
        raise click.BadParameter(f"{wrong[0]!r} is neither numerical nor categorical", param_hint="--type")
    features = _separated(asked.pop("features")) or None
    result = _compared(
        baseline=baseline,
        current=current,
        metrics=_separated(asked.pop("metrics")),
        features=features,
        types={name: kind for name, _, kind in told},
        bootstrap_samples=asked.pop("bootstrap"),
        **asked,
    )
    from shared.cli.drift_forms import FORMS

    click.echo(FORMS[options.output](result), nl=False)
    _end(result)


def _separated(texts: tuple[str, ...]) -> list[str]:
    return [one.strip() for text in texts for one in text.split(",") if one.strip()]


def _compared(**asked: Any) -> MonitorResult:
    from shared.errors import NotFound, SlipwayError

    try:
        from shared.monitoring.compare import Comparison, compare
    except ModuleNotFoundError as error:
        if error.name not in ("numpy", "pyarrow"):
            raise
        raise CliError(f"{error.name} is not installed", remedy="pip install 'slipway[monitoring]'") from error
    try:
        return compare(Comparison(**asked))
    except SlipwayError as error:
        code = ExitCode.NOT_FOUND if isinstance(error, NotFound) else ExitCode.REFUSED
        raise CliError(error.message, code, remedy=error.remedy) from error


def _end(result: MonitorResult) -> None:
    from shared.resources.monitor_result import Verdict

    if result.verdict is Verdict.BREACHED:
        raise click.exceptions.Exit(int(ExitCode.DRIFT))
    if result.verdict is not Verdict.HEALTHY:
        raise click.exceptions.Exit(int(ExitCode.FAILURE))
