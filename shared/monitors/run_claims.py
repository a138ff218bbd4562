"""What the work of a run may say of anything but its own result: in it ran code that is not Slipway's. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from shared.monitors.assets import data_sets
from shared.monitors.collected_layout import SUFFIX, hour_of, parts_of
from shared.monitors.run_plan import RunPlan
from shared.resources.importance import LearntImportance
from shared.resources.monitor_result import MonitorResult


def learnt_by(plan: RunPlan, result: MonitorResult) -> list[LearntImportance]:
    """What was learnt from data that the run was given; the rest is left out."""
    given = {data.label for signal in plan.request.signals for data in data_sets(signal)}
    return [one for signal in result.signals for one in signal.learnt if one.data in given]


def windows_seen_by(plan: RunPlan, outdated: Sequence[str]) -> list[tuple[str, str]]:
    """Collection and folder of those windows that are of the collections the run was given; the rest is left out."""
    given = set(plan.collected.values())
    found = [parts_of(one) for one in outdated]
    return [(name, folder) for name, folder in found if name in given and hour_of(f"{folder}/{SUFFIX}") is not None]
