"""Models and samples for the tests of optimisation, made by the Python of an environment."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from shared.adapters.local.environment_builder import LocalEnvironmentBuilder
from shared.environments.lock import dump_lock, read_lock
from shared.optimization.environment import BuiltEnvironment, environment_of
from shared.optimization.kinds import KINDS, recognise
from shared.optimization.plan import Plan
from tests.benchmarks.report import ROOT

ENVIRONMENTS = ROOT / "build" / "optimization" / "environments"  # kept: they are built once
OWN = BuiltEnvironment(Path(sys.prefix), "the tests' own", ())  # it has scikit-learn's tools already


@dataclass(frozen=True)
class Attack:
    """A pickle that runs this code when it is loaded."""

    code: str

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, (self.code,)


async def built(name: str, version: str | None = None) -> BuiltEnvironment:
    """The environment of a kind, from the index that uv is configured with."""
    lock = ENVIRONMENTS / f"{name}.lock"
    former = read_lock(lock.read_text()) if lock.exists() else ()
    builder = LocalEnvironmentBuilder(ENVIRONMENTS)
    made = await environment_of(KINDS[name], builder, former=former, framework_version=version)
    lock.write_text(dump_lock(made.pins))
    return made


async def train(environment: BuiltEnvironment, folder: Path, code: str) -> None:
    """Run code that writes a model and its sample, in `folder`."""
    command = [environment.folder / "bin" / "python", "-I", "-c", code]
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environ = {**kept, "TF_CPP_MIN_LOG_LEVEL": "3"}
    await asyncio.to_thread(subprocess.run, command, cwd=folder, check=True, env=environ)


def plan_of(folder: Path, model: str, environment: BuiltEnvironment = OWN, kind: str | None = None) -> Plan:
    """A quick plan for a model and rows.npy of this folder."""
    return Plan(
        recognise(folder / model, kind),
        folder / "rows.npy",
        environment,
        folder / "out",
        row_counts=(1, 100),
        measure_s=0.3,
        timeout_s=120,
    )


def processes_below(scratch: str) -> list[int]:
    """Processes that work in a folder whose name has this in it."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if scratch in os.readlink(path / "cwd") or scratch in (path / "cmdline").read_text():
                found.append(int(path.name))
        except OSError:  # it has ended
            continue
    return found
