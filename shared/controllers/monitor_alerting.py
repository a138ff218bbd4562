"""What follows of a run of a monitor that has ended: events, and people who are told, until they are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from shared.controllers.outcome import Deps, Outcome
from shared.errors import Invalid
from shared.monitors.alert_settings import MAIL, notification_of_monitor, policy_of, told_by
from shared.monitors.alerting import Judged
from shared.monitors.breach_events import breach_events
from shared.monitors.checking import deployment_of
from shared.monitors.deliveries import condition_of, owed, pending
from shared.monitors.notifications import RunFacts, notifications_of
from shared.monitors.notifying import tell
from shared.notifier_settings import SETTING, load_notifiers, mail_of
from shared.packaging.monitor_alerts import judge
from shared.ports import Notifier
from shared.resources.alerts import Announcement, RunAlerts
from shared.resources.base import Cause, Resource, with_condition
from shared.resources.monitor import MonitorDeclaration
from shared.resources.monitor_result import MonitorResult
from shared.resources.monitor_run import MonitorRunSpec, MonitorRunStatus
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
        run = Judged(self.resource.name, now, self.resource.created_at, self.spec.due_at)
        policy = policy_of(monitor)
        told = await judge(self.deps.committer, run, self.spec.monitor, result, alerting, policy, self.cause)
        status.notifications, status.owed_since = self._owed(monitor, status, told, result), told.at
        breached = {name for name, one in told.announced.items() if one.announcement != Announcement.RESOLVED}
        events = breach_events(result, breached) if result else ()
        return Outcome(
            _noted(status, self.deps), events, bool(status.notifications), 0 if status.notifications else None
        )

    def _owed(
        self, monitor: MonitorDeclaration, status: MonitorRunStatus, told: RunAlerts, result: MonitorResult | None
    ) -> list[OwedNotification]:
        said = notification_of_monitor(monitor)
        if said is None:
            return []
        endpoint = deployment_of(monitor).replace(".", "/", 1)
        facts = RunFacts(self.spec.monitor, self.resource.name, endpoint, status.error)
        return owed(notifications_of(told, said.notify_on, facts, result), told_by(said), told.at)


async def notified(spec: MonitorRunSpec, status: MonitorRunStatus, deps: Deps) -> Outcome:
    """One attempt of whatever is due: a notifier that is down holds nothing up, and is tried again."""
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
