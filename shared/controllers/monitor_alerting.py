"""What follows of a run of a monitor that has ended: events, and people who are told, until they are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from shared.controllers.outcome import Deps, Outcome
from shared.errors import Invalid
from shared.monitors.alert_settings import MAIL, notification_of_monitor, policy_of, told_by
from shared.monitors.alerting import Judged, decide_all
from shared.monitors.breach_events import breach_events
from shared.monitors.deliveries import condition_of, owed, pending
from shared.monitors.notifications import RunFacts, notifications_of
from shared.monitors.notifying import tell
from shared.monitors.target import deployment_of
from shared.notifier_settings import SETTING, load_notifiers, mail_of
from shared.packaging.monitor_alerts import announced_by, judge
from shared.ports import Notifier, wake
from shared.resources.alerts import AlertPolicy, Announcement, RunAlerts
from shared.resources.base import Cause, Resource, ResourceKey, with_condition
from shared.resources.monitor import MonitorDeclaration
from shared.resources.monitor_result import MonitorResult
from shared.resources.monitor_run import KIND, MONITOR_RUN_TERMINAL, MonitorRunSpec, MonitorRunStatus, RunReason
from shared.resources.notification import OwedNotification


@dataclass(frozen=True, slots=True)
class RunAlerting:
    """Tells of one run."""

    resource: Resource
    spec: MonitorRunSpec
    deps: Deps
    cause: Cause

    async def told(self, status: MonitorRunStatus, result: MonitorResult | None, alerting: Collection[str]) -> Outcome:
        """The end of the run, with its events; people are told once that is committed, at the next look. It is never
        undecided whether a breach is announced: the monitor remembers what it decided for this run."""
        monitor = MonitorDeclaration.model_validate(self.spec.declaration)
        now = self.deps.clock.now()
        policy = policy_of(monitor)
        if self.spec.reason == RunReason.BACKFILL:
            told = await self._replayed(status, result, alerting, policy)
        else:
            run = Judged(self.resource.name, now, self.resource.created_at, self.spec.due_at)
            told = await judge(self.deps.committer, run, self.spec.monitor, result, alerting, policy, self.cause)
        status.notifications, status.owed_since = self._owed(monitor, status, told, result), now
        breached = {name for name, one in told.announced.items() if one.announcement != Announcement.RESOLVED}
        events = breach_events(result, breached) if result else ()
        owes = bool(status.notifications or self.spec.then)
        return Outcome(_noted(status, self.deps), events, unfinished=owes, look_again_after_s=0 if owes else None)

    async def _replayed(
        self, status: MonitorRunStatus, result: MonitorResult | None, alerting: Collection[str], policy: AlertPolicy
    ) -> RunAlerts:
        """What the run tells as if it were then: it goes on from the run before it, and what is so now stays so."""
        due = self.spec.due_at
        if not self.spec.announces:
            return RunAlerts(at=due)
        before = await _read(self.spec.after, self.deps)
        states = MonitorRunStatus.model_validate(before.status).alerts if before else {}
        decided = decide_all(states, Judged(self.resource.name, due, due, due), result, alerting, policy)
        status.alerts = {name: one.state for name, one in decided.items()}
        return RunAlerts(at=due, announced=announced_by(decided))

    def _owed(
        self, monitor: MonitorDeclaration, status: MonitorRunStatus, told: RunAlerts, result: MonitorResult | None
    ) -> list[OwedNotification]:
        said = notification_of_monitor(monitor)
        if said is None:
            return []
        endpoint = deployment_of(monitor).replace(".", "/", 1)
        facts = RunFacts(self.spec.monitor, self.resource.name, endpoint, status.error)
        return owed(notifications_of(told, said.notify_on, facts, result), told_by(said), self.deps.clock.now())


async def has_turn(spec: MonitorRunSpec, deps: Deps) -> bool:
    """Whether the run before it, of a backfill, has ended."""
    before = await _read(spec.after, deps)
    return before is None or before.status["phase"] in MONITOR_RUN_TERMINAL


async def _read(run_id: str, deps: Deps) -> Resource | None:
    return await deps.store.read(ResourceKey(KIND, run_id)) if run_id else None


async def notified(spec: MonitorRunSpec, status: MonitorRunStatus, deps: Deps) -> Outcome:
    """What follows of an end that is committed: the next run of a backfill is waked, and each delivery that is due is
    tried. A notifier that is down holds nothing up, and is tried again."""
    if spec.then:
        await wake(deps.queue, ResourceKey(KIND, spec.then))
    if not pending(status.notifications):
        return Outcome(status)
    now = deps.clock.now()
    monitor = MonitorDeclaration.model_validate(spec.declaration)

    def open_notifier(name: str) -> Notifier:
        return _opened(name, monitor, deps)

    status.notifications = await tell(status.notifications, open_notifier, status.owed_since or now, deps.clock)
    _noted(status, deps)
    left = pending(status.notifications)
    if not left:
        return Outcome(status)
    next_s = (min(one.next_at for one in left) - deps.clock.now()).total_seconds()
    return Outcome(status, unfinished=True, look_again_after_s=max(1.0, next_s))


def _opened(name: str, monitor: MonitorDeclaration, deps: Deps) -> Notifier:
    """The notifier of this name. Raises Invalid for one that the settings do not have."""
    notifiers = load_notifiers(deps.settings.notifiers)
    if name != MAIL:
        if name not in notifiers:
            known = ", ".join(sorted(notifiers)) or "none"
            raise Invalid(f"there is no notifier {name!r} in {SETTING}; there are: {known}")
        return deps.open_notifier(notifiers[name])
    server, said = mail_of(notifiers), notification_of_monitor(monitor)
    if server is None or said is None:
        raise Invalid(f"no mail is sent: {SETTING} has no notifier of the type smtp")
    return deps.open_notifier(server.model_copy(update={"recipients": said.emails or []}))


def _noted(status: MonitorRunStatus, deps: Deps) -> MonitorRunStatus:
    condition = condition_of(status.notifications, deps.clock.now())
    if condition is not None:
        status.conditions = with_condition(status.conditions, condition)
    return status
