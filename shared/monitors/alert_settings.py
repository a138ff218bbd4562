"""What a monitor declares of its alerts: when a breach is told, and whom; pure."""

from __future__ import annotations

from shared.errors import Invalid
from shared.monitors.windows import duration
from shared.resources.alerts import AlertPolicy, Severity
from shared.resources.monitor import AlertNotification, MonitorDeclaration

MAIL = ""  # in place of a notifier's name: mail to the monitor's `emails`


def policy_of(monitor: MonitorDeclaration) -> AlertPolicy:
    """When a breach is told; each time, where nothing is said. Raises Invalid for a cool-down that is no duration."""
    said = monitor.create_monitor.alert_policy
    if said is None:
        return AlertPolicy()
    return AlertPolicy(
        consecutive_breaches=said.consecutive_breaches,
        cool_down_s=duration(said.cool_down, "/create_monitor/alert_policy/cool_down").total_seconds(),
        critical_factor=said.critical_factor,
        minimum_severity=Severity(said.minimum_severity.capitalize()),
    )


def notification_of_monitor(monitor: MonitorDeclaration) -> AlertNotification | None:
    """Who is told; None for nobody, and for Azure Monitor's metrics, which are not written."""
    said = monitor.create_monitor.alert_notification
    return said if isinstance(said, AlertNotification) else None


def told_by(said: AlertNotification) -> tuple[str, ...]:
    """The notifiers that tell, by name, each once; MAIL for addresses."""
    return tuple(dict.fromkeys([*(said.notifiers or []), *([MAIL] if said.emails else [])]))


def check_addresses(emails: list[str]) -> None:
    """Raises Invalid for what is no address."""
    for one in emails:
        name, at, domain = one.rpartition("@")
        if not (name and at and domain) or not one.isprintable() or any(letter in one for letter in " ,;<>"):
            raise Invalid(f"{one[:80]!r} is no address", remedy="use NAME@DOMAIN")
