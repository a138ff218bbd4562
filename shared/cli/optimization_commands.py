"""`slipway model optimize` and `slipway optimization`: models as faster ONNX models, with the proof."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from shared.cli import output
from shared.cli.api import Api, segment
from shared.cli.errors import ExitCode
from shared.cli.options import Options, common_options
from shared.cli.references import model_reference
from shared.cli.work_commands import Work, add_commands, watched


@click.command("optimize")
@click.argument("reference", metavar="NAME[:VERSION|@LABEL]")
@click.option("--sample", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Rows, .csv or .json.")
@click.option("--kind", default="", help="sklearn, xgboost, lightgbm, pytorch, tensorflow, onnx [the files tell].")
@click.option("--framework-version", default="", help="The model was made by [the files tell, else the newest].")
@click.option("--variant", "variants", multiple=True, help="graph, float16, int8-dynamic...; repeatable [all].")
@click.option("--as", "register_as", default="", metavar="NAME", help="Name of the derived model [NAME-onnx].")
@common_options
def optimize_model(
    options: Options,
    reference: str,
    sample: Path | None,
    kind: str,
    framework_version: str,
    variants: tuple[str, ...],
    register_as: str,
) -> None:
    """Convert a model to ONNX, verify and measure variants of it, register the best, and wait for it."""
    name, version = model_reference(reference)
    body: dict[str, Any] = {
        "source_kind": kind,
        "framework_version": framework_version,
        "register_as": register_as,
    }
    if variants:
        body["variants"] = list(variants)
    if sample is not None:
        body |= {"sample": sample.read_text(), "sample_name": sample.name}
    with Api(options) as api:
        path = f"models/{segment(name)}/versions/{segment(version)}/optimize"
        made = api.call("POST", path, body=body).document
        found = watched(options, api, WORK, made["optimization_id"])
    output.show(options, found, describe(found))
    if not found["registered"]:
        raise click.exceptions.Exit(int(ExitCode.REFUSED))


@click.group("optimization")
def optimization() -> None:
    """Optimisations of models: `slipway model optimize` makes them."""


WORK = Work(
    "optimizations",
    "optimization_id",
    "phase",
    ("Succeeded", "Failed", "Canceled"),
    ("ID", "PHASE", "MODEL", "KIND", "REGISTERED", "CREATED"),
    lambda one: (
        *(one[name] for name in ("optimization_id", "phase", "model", "source_kind", "registered")),
        output.moment(one["created_at"]),
    ),
    "optimisations",
)
add_commands(optimization, WORK)


@optimization.command("show")
@click.argument("optimization_id")
@common_options
def show(options: Options, optimization_id: str) -> None:
    """Show one optimisation: its variants, which is the best, and the proof."""
    with Api(options) as api:
        found = api.get(f"optimizations/{segment(optimization_id)}")
    output.show(options, found, describe(found))


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
