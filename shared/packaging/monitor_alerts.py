"""What runs of a monitor announce, decided one after the other on the monitor: two at once announce a breach once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from shared.commit import Committer, Current, Draft
from shared.monitors.alerting import Decision, Judged, decide_all
from shared.resources.alerts import AlertPolicy, Announced, RunAlerts
from shared.resources.base import Cause, ResourceKey
from shared.resources.monitor import KIND as MONITOR
from shared.resources.monitor_result import MonitorResult
from shared.resources.monitor_status import MonitorStatus

KEPT_RUNS = 20  # more runs of one monitor than that do not end at once


async def judge(
    committer: Committer,
    run: Judged,
    monitor: str,
    result: MonitorResult | None,
    alerting: Collection[str],
    policy: AlertPolicy,
    cause: Cause,
) -> RunAlerts:
    """What the run tells: decided now, or found where that was decided before. Nothing, of a monitor that is gone."""
    key = ResourceKey(MONITOR, monitor)
    told = RunAlerts(at=run.at)

    async def change(current: Current) -> Sequence[Draft]:
        nonlocal told
        found = current[key]
        if found is None:
            return ()
        status = MonitorStatus.model_validate(found.status)
        if run.run_id in status.judged:
            told = status.judged[run.run_id]
            return ()
        decided = decide_all(status.alerts, run, result, alerting, policy)
        told = RunAlerts(at=run.at, announced=announced_by(decided))
        status.alerts = {name: one.state for name, one in decided.items()}
        status.judged = _newest({**status.judged, run.run_id: told})
        return (Draft.of(found, status=status.model_dump(mode="json")),)

    await committer.transact((key,), change, cause)
    return told


def announced_by(decided: Mapping[str, Decision]) -> dict[str, Announced]:
    """What is announced, by signal; {} for nothing."""
    return {
        name: Announced(announcement=one.announcement, severity=one.state.severity)
        for name, one in decided.items()
        if one.announcement is not None
    }


def _newest(judged: Mapping[str, RunAlerts]) -> dict[str, RunAlerts]:
    return dict(sorted(judged.items(), key=lambda one: one[1].at)[-KEPT_RUNS:])
