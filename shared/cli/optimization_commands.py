"""`slipway model optimize` and `slipway optimization`: models as faster ONNX models, with the proof."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from shared.cli import output
from shared.cli.api import Api, segment
from shared.cli.errors import CliError, ExitCode
from shared.cli.options import Options, common_options
from shared.cli.references import model_reference

ENDED = ("Succeeded", "Failed", "Canceled")
POLL_S = 0.5
LONGEST_S = 1_800.0  # an optimisation takes a minute or two, and at most half an hour


@click.command("optimize")
@click.argument("reference", metavar="NAME[:VERSION|@LABEL]")
@click.option("--sample", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Rows, .csv or .json.")
@click.option("--kind", default="", help="sklearn, xgboost, lightgbm, pytorch, tensorflow, onnx [the files tell].")
@click.option("--framework-version", default="", help="The model was made by [the files tell, else the newest].")
@click.option("--as", "register_as", default="", metavar="NAME", help="Name of the derived model [NAME-onnx].")
@common_options
def optimize_model(
    options: Options, reference: str, sample: Path | None, kind: str, framework_version: str, register_as: str
) -> None:
    """Convert a model to ONNX, verify and measure variants of it, register the best, and wait for it."""
    name, version = model_reference(reference)
    body: dict[str, Any] = {
        "source_kind": kind,
        "framework_version": framework_version,
        "register_as": register_as,
    }
    if sample is not None:
        body |= {"sample": sample.read_text(), "sample_name": sample.name}
    with Api(options) as api:
        path = f"models/{segment(name)}/versions/{segment(version)}/optimize"
        made = api.call("POST", path, body=body).document
        found = _watched(options, api, made["optimization_id"])
    output.show(options, found, describe(found))
    if not found["registered"]:
        raise click.exceptions.Exit(int(ExitCode.REFUSED))


@click.group("optimization")
def optimization() -> None:
    """Optimisations of models: `slipway model optimize` makes them."""


@optimization.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many.")
@common_options
def list_(options: Options, limit: int) -> None:
    """List optimisations, newest first."""
    with Api(options) as api:
        page = api.pages("optimizations", limit=limit)
    rows = [
        (
            one["optimization_id"],
            one["phase"],
            one["model"],
            one["source_kind"],
            one["registered"],
            output.moment(one["created_at"]),
        )
        for one in page["items"]
    ]
    headings = ("ID", "PHASE", "MODEL", "KIND", "REGISTERED", "CREATED")
    output.show(options, page, output.table(headings, rows, empty="There are no optimisations."))


@optimization.command("show")
@click.argument("optimization_id")
@common_options
def show(options: Options, optimization_id: str) -> None:
    """Show one optimisation: its variants, which is the best, and the proof."""
    with Api(options) as api:
        found = api.get(f"optimizations/{segment(optimization_id)}")
    output.show(options, found, describe(found))


@optimization.command("cancel")
@click.argument("optimization_id")
@common_options
def cancel(options: Options, optimization_id: str) -> None:
    """End an optimisation."""
    with Api(options) as api:
        found = api.call("POST", f"optimizations/{segment(optimization_id)}/cancel").document
    output.show(options, found, f"{optimization_id} is being canceled.")


def _watched(options: Options, api: Api, optimization_id: str) -> dict[str, Any]:
    """The optimisation when it has ended; its progress goes to standard error meanwhile."""
    end, told = time.monotonic() + max(api.timeout_s, LONGEST_S), ""
    while True:
        found: dict[str, Any] = api.get(f"optimizations/{segment(optimization_id)}")
        if found["log_tail"] and found["log_tail"][-1] != told and options.output == "table":
            told = found["log_tail"][-1]
            click.echo(told, err=True)
        if found["phase"] in ENDED:
            return found
        if time.monotonic() > end:
            raise CliError(f"{optimization_id} is still {found['phase']}", ExitCode.TIMED_OUT)
        time.sleep(POLL_S)


def describe(one: dict[str, Any]) -> str:
    """An optimisation for people: its state, then a line a variant."""
    lines = [
        output.fields(
            [
                ("optimisation", one["optimization_id"]),
                ("phase", one["phase"]),
                ("model", one["model"]),
                ("kind", one["source_kind"]),
                ("registered", one["registered"]),
                ("conditions", [f"{c['type']}={c['status']}  {c['message']}" for c in one["conditions"]]),
                ("log", one["log_tail"][-5:] if one["phase"] == "Failed" else None),
            ]
        )
    ]
    if one["result"]:
        from shared.optimization.table import table_of
        from shared.resources.optimization import OptimizationResult

        lines += ["", table_of(OptimizationResult.model_validate(one["result"]))]
    return "\n".join(lines)
