"""`slipway model profile` and `slipway profile`: which CPU and memory a model needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from shared.cli import output
from shared.cli.api import Api, segment
from shared.cli.curated import environment_option, environment_reference
from shared.cli.environment_commands import finished_environment
from shared.cli.errors import ExitCode
from shared.cli.options import Options, common_options
from shared.cli.references import model_reference
from shared.cli.work_commands import Work, add_commands, watched


@click.command("profile")
@click.argument("reference", metavar="NAME[:VERSION|@LABEL]")
@click.option("--target-rps", type=click.FloatRange(min=0, min_open=True), required=True, help="Requests per second.")
@click.option("--p99-ms", type=click.FloatRange(min=0, min_open=True), required=True, help="That 99 % may take.")
@click.option("--sample", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Requests, one a row.")
@environment_option
@click.option("--entry-script", default="", metavar="PATH", help="A file of the model with init() and run().")
@click.option(
    "--max-memory-gb", type=click.FloatRange(min=0, min_open=True), default=2.0, show_default=True, help="GB."
)
@click.option("--svg", type=click.Path(dir_okay=False, path_type=Path), help="Save the picture of latency by load.")
@common_options
def profile_model(
    options: Options,
    reference: str,
    target_rps: float,
    p99_ms: float,
    sample: Path | None,
    environment: str,
    entry_script: str,
    max_memory_gb: float,
    svg: Path | None,
) -> None:
    """Measure which CPU and memory a model needs to answer so many requests per second in time, and wait for it."""
    name, version = model_reference(reference)
    body: dict[str, Any] = {
        "target_rps": target_rps,
        "p99_ms": p99_ms,
        "max_memory_gb": max_memory_gb,
        "entry_script": entry_script,
    }
    if sample is not None:
        body |= {"sample": sample.read_text(), "sample_name": sample.name}
    with Api(options) as api:
        used = finished_environment(api, environment_reference(api, environment))
        body["environment"] = f"{used['name']}:{used['version']}"
        made = api.call("POST", f"models/{segment(name)}/versions/{segment(version)}/profile", body=body).document
        _end(options, watched(options, api, WORK, made["profile_id"]), svg)


@click.group("profile")
def profile() -> None:
    """Profiles of models: `slipway model profile` makes them."""


@profile.command("show")
@click.argument("profile_id")
@click.option("--svg", type=click.Path(dir_okay=False, path_type=Path), help="Save the picture of latency by load.")
@common_options
def show(options: Options, profile_id: str, svg: Path | None) -> None:
    """Show one profile."""
    with Api(options) as api:
        found = api.get(f"profiles/{segment(profile_id)}")
    _save(found, svg)
    output.show(options, found, describe(found))


def _end(options: Options, found: dict[str, Any], svg: Path | None) -> None:
    _save(found, svg)
    output.show(options, found, describe(found))
    if (found["result"] or {}).get("recommendedCpu") is None:
        raise click.exceptions.Exit(int(ExitCode.REFUSED))


def _save(found: dict[str, Any], svg: Path | None) -> None:
    if svg is not None and found["result"]:
        from shared.profiling.picture import svg as drawn
        from shared.resources.profile import ProfileResult

        svg.write_text(drawn(ProfileResult.model_validate(found["result"])))


def _recommended(result: dict[str, Any]) -> str:
    if result.get("recommendedCpu") is None:
        return ""
    return f"{result['recommendedCpu']:g} CPU, {result['recommendedMemoryInGB']:g} GB"


def _row(one: dict[str, Any]) -> tuple[Any, ...]:
    target = f"{one['target_rps']:g}/s in {one['p99_ms']:g} ms"
    shown = (one["profile_id"], one["state"], one["model"], target, _recommended(one["result"] or {}))
    return (*shown, output.moment(one["created_at"]))


WORK = Work(
    "profiles",
    "profile_id",
    "state",
    ("Succeeded", "Failed", "Cancelled", "TimedOut"),
    ("ID", "STATE", "MODEL", "TARGET", "RECOMMENDED", "CREATED"),
    _row,
    "profiles",
)
add_commands(profile, WORK)


def describe(one: dict[str, Any]) -> str:
    """A profile for people; what it does not have is left out."""
    result = one["result"] or {}
    ended_well = one["state"] == "Succeeded"
    return output.fields(
        [
            ("profile", one["profile_id"]),
            ("state", one["state"]),
            ("model", one["model"]),
            ("environment", one["environment"]),
            ("target", f"{one['target_rps']:g} requests/s, 99 % in {one['p99_ms']:g} ms"),
            ("recommended", _recommended(result) + (" (not proven)" if result and not result.get("proven") else "")),
            *_measured(result),
            ("limited by", result.get("limitsMethod")),
            (
                "price",
                [_price(one) for one in result.get("prices", ())],
            ),
            ("error", result.get("error")),
            ("notes", result.get("notes")),
            ("log", None if ended_well else result.get("logTail") or one["log_tail"][-3:]),
        ]
    )


def _price(one: dict[str, Any]) -> str:
    example = " (example price, replace)" if one.get("isExample") else ""
    return f"{one['monthlyPrice']:.2f} {one['currency']}/month  {one['target']}{example}"


def _measured(result: dict[str, Any]) -> list[tuple[str, str | None]]:
    def figure(form: str, *names: str) -> str | None:
        values = [result.get(name) for name in names]
        return None if None in values else form.format(*values)

    threads = "{} threads, batches of up to {} rows after {:g} ms"
    return [
        ("server", figure(threads, "recommendedThreads", "recommendedMaxBatchRows", "recommendedBatchDelayInMs")),
        ("latency", figure("p50 {:.1f} ms, p99 {:.1f} ms", "latencyPercentile50InMs", "latencyPercentile99InMs")),
        ("highest rate", figure("{:g}/s", "maxQueriesPerSecond")),
        ("most used", figure("{:.2f} CPU, {:.2f} GB", "maxUtilizedCpu", "maxUtilizedMemoryInGB")),
        ("start", figure("{:.2f} s", "startUpTimeInS")),
    ]
