"""What is asked of a profile, checked before anything starts, and where on this machine it runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path

from shared.errors import Fault, Invalid
from shared.profiling.limits import METHODS
from shared.profiling.search import Grid
from shared.profiling.server_settings import worth_trying
from shared.profiling.verdicts import Target

CPUS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)  # each twice the one before: half of a recommendation was measured, too


@dataclass(frozen=True, slots=True)
class ProfilePlan:
    """A model, samples of requests, and what is to be reached."""

    model: Path | None  # folder or file; None for an entry script that needs none
    sample: Path  # see read_samples
    target_rps: float
    p99_ms: float
    entry_script: Path | None = None
    python: str = sys.executable  # of the model's environment
    environ: Mapping[str, str] = field(default_factory=dict)  # for the server
    path: str = "/score"  # that requests go to
    cpus: tuple[float, ...] = CPUS  # that may be recommended, cores
    max_memory_gb: float = 2.0  # that may be recommended, GB of 2**30 bytes
    head_room: float = 1.2  # times the target rate
    start_timeout_s: float = 120.0
    request_timeout_s: float = 10.0
    total_timeout_s: float = 1_500.0  # as Azure ML, whose profiles took up to 25 minutes
    method: str | None = None  # of limiting; None: the best that this machine allows
    seed: int = 0

    @property
    def target(self) -> Target:
        """What the search works towards."""
        return Target(self.target_rps, self.p99_ms, self.head_room)

    def check(self) -> None:
        """Raises Invalid with everything that is wrong."""
        faults = [
            Fault(f"{value:g} is too little or no number", f"/{name}", allowed=f"more than {least:g}")
            for name, value, least in (
                ("target_rps", self.target_rps, 0),
                ("p99_ms", self.p99_ms, 0),
                ("max_memory_gb", self.max_memory_gb, 0),
                ("start_timeout_s", self.start_timeout_s, 0),
                ("request_timeout_s", self.request_timeout_s, 0),
                ("total_timeout_s", self.total_timeout_s, 0),
                ("head_room", self.head_room, 0.999),
                *(("cpus", cpu, 0) for cpu in self.cpus),
            )
            if not (isfinite(value) and value > least)
        ]
        if not self.cpus:
            faults.append(Fault("there is no CPU to measure", "/cpus", allowed="at least one number of cores"))
        if self.model is None and self.entry_script is None:
            faults.append(Fault("there is nothing to serve", "/model", allowed="a model or an entry script"))
        for name, path in (("model", self.model), ("entry_script", self.entry_script)):
            if path is not None and not path.exists():
                faults.append(Fault(f"{path} is not there", f"/{name}"))
        if faults:
            raise Invalid("the profile cannot be made", faults=tuple(faults))


@dataclass(frozen=True, slots=True)
class Cores:
    """Who runs where, so that the load generator takes no CPU from the server."""

    server: tuple[int, ...]
    generator: tuple[int, ...]
    note: str = ""  # what a reader has to know; "" for nothing


def divided_cores(allowed: tuple[int, ...] | None = None) -> Cores:
    """The last core this process may use is the generator's. Of three or more the first is left to whatever else runs
    here, the control plane above all; the others are the server's. One alone is both's."""
    mine = allowed if allowed is not None else tuple(sorted(os.sched_getaffinity(0)))
    if len(mine) < 2:
        note = "the load generator shared the only core with the server: latencies are too long, the CPU too much"
        return Cores(mine, mine, note)
    return Cores(mine[1:-1] or mine[:-1], mine[-1:])


def grid_of(plan: ProfilePlan, cores: Cores, method: str) -> tuple[Grid, list[str]]:
    """What of the plan's CPUs can be measured with these cores and this method, and notes on what can't. Raises
    Invalid when nothing is left."""
    most = len(cores.server)
    whole_only = method == METHODS[-1]
    cpus = tuple(sorted({cpu for cpu in plan.cpus if cpu <= most and not (whole_only and cpu != round(cpu))}))
    if not cpus:
        what = "whole cores" if whole_only else "cores"
        fault = Fault(f"none of {list(plan.cpus)} can be measured", "/cpus", allowed=f"up to {most} {what}")
        raise Invalid("the profile cannot be made on this machine", faults=(fault,))
    notes = []
    if left_out := sorted(set(plan.cpus) - set(cpus)):
        reason = f"the server has {most} cores here" + (f", and {method} keeps whole cores only" if whole_only else "")
        notes.append(f"not measured: {', '.join(f'{cpu:g}' for cpu in left_out)} CPU ({reason})")
    if whole_only:
        notes.append(
            "memory was limited by addresses (RLIMIT_AS), not by what is resident: run as root for real limits"
        )
    settings = worth_trying(plan.target, most, is_onnx=plan.entry_script is None)
    return Grid(cpus, plan.max_memory_gb, settings), notes
