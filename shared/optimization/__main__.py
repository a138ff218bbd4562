"""`python -m shared.optimization`: optimises a model without a control plane.

Exits with 0 when there is a best variant, 3 when no variant is verified and reliably faster, 1 when it failed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from shared.adapters.local.environment_builder import LocalEnvironmentBuilder
from shared.environments.lock import dump_lock, read_lock
from shared.errors import SlipwayError
from shared.optimization.environment import BuiltEnvironment, environment_of
from shared.optimization.kinds import KINDS, Recognised, recognise
from shared.optimization.optimize import optimize
from shared.optimization.plan import Plan
from shared.optimization.table import table_of
from shared.resources.optimization import OptimizationResult

NO_BEST = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code; progress goes to standard error."""
    asked = _parser().parse_args(arguments)
    try:
        result = asyncio.run(_optimize(asked))
    except SlipwayError as error:
        _say(str(error))
        return 1
    (asked.out / "optimization.json").write_text(result.model_dump_json(indent=1))
    text = json.dumps(result.model_dump(mode="json"), indent=1) if asked.json else table_of(result)
    sys.stdout.write(f"{text}\n")
    return 0 if result.best else NO_BEST


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m shared.optimization", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="file or folder")
    parser.add_argument("--sample", type=Path, required=True, help="rows: .csv with a header, .json, .npy or .npz")
    parser.add_argument("--calibration", type=Path, help="rows for static int8 [the sample]")
    parser.add_argument("--kind", help=f"{', '.join(KINDS)} [what the files tell]")
    parser.add_argument("--framework-version", help="that the model was made by [what the files tell, else the newest]")
    parser.add_argument("--opset", type=int, help="[the newest that the converter knows]")
    parser.add_argument("--threads", type=int, default=1, help="of the original and of each variant [1]")
    parser.add_argument("--timeout", type=float, default=1800.0, metavar="SECONDS", help="of all together [1800]")
    parser.add_argument("--out", type=Path, default=Path("build/optimization/out"), help="[build/optimization/out]")
    parser.add_argument("--environments", type=Path, default=Path("build/optimization/environments"))
    parser.add_argument("--index-url", default="", help="where packages come from [what uv is configured with]")
    parser.add_argument("--json", action="store_true", help="the whole result instead of a table")
    return parser


async def _optimize(asked: argparse.Namespace) -> OptimizationResult:
    model = recognise(asked.model, asked.kind)
    plan = Plan(
        model=model,
        sample=asked.sample,
        environment=await _environment(asked, model),
        out=asked.out,
        calibration=asked.calibration,
        opset=asked.opset,
        threads=asked.threads,
        timeout_s=asked.timeout,
    )
    return await optimize(plan, _say)


async def _environment(asked: argparse.Namespace, model: Recognised) -> BuiltEnvironment:
    """Locked as the last time, where that still fits: the lock lies beside the environments."""
    version = asked.framework_version or model.framework_version
    lock = asked.environments / f"{'-'.join(filter(None, (model.kind.name, version)))}.lock"
    built = await environment_of(
        model.kind,
        LocalEnvironmentBuilder(asked.environments, asked.index_url),
        framework_version=version,
        former=read_lock(lock.read_text()) if lock.exists() else (),
        index_url=asked.index_url,
        timeout_s=asked.timeout,
        say=_say,
    )
    lock.write_text(dump_lock(built.pins))
    return built


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
