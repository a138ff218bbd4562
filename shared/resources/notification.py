"""What people are told of a monitor, and where: nothing here holds a secret, only the names of secrets."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from shared.resources.alerts import Announcement, Severity
from shared.resources.base import NAME_PATTERN, Document


class Finding(Document):
    """One number beyond its threshold."""

    feature: str = ""  # "" for the signal as a whole
    metric: str  # Azure ML's name
    value: float
    threshold: float
    direction: Literal["above", "below"] = "above"  # on which side of the threshold the breach lies


class Notification(Document):
    """What is said of one signal of one run."""

    id: str  # the same whenever the same is said: receivers tell repeats by it
    monitor: str
    run_id: str
    signal: str  # "": of the runs of the monitor themselves, that fail, or end well again
    endpoint: str = ""  # ENDPOINT/DEPLOYMENT; "" where none is monitored
    announcement: Announcement
    severity: Severity
    at: datetime
    findings: list[Finding] = Field(default_factory=list)  # the furthest beyond its threshold first; at most 20
    left_out: int = 0  # findings that are not listed
    reason: str = ""  # why a run failed


class DeliveryState(StrEnum):
    """What became of a notification at one notifier."""

    PENDING = "Pending"  # it is tried, or tried again
    SENT = "Sent"  # it was taken
    REFUSED = "Refused"  # the receiver will never take it
    GIVEN_UP = "GivenUp"  # it was not there for a day


class Delivery(Document):
    """A notification on its way to one notifier."""

    notifier: str  # its name in the settings; "": mail to the monitor's `emails`
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    problem: str = ""  # why the last attempt failed
    next_at: datetime  # when it is tried next; of what is over, when it was tried last


class OwedNotification(Document):
    """A notification, and whom it has reached."""

    notification: Notification
    deliveries: list[Delivery]


class HttpFacts(Document):
    """What notifiers by HTTP have."""

    name: str = Field(pattern=NAME_PATTERN)  # that monitors call it by
    url_secret: str = Field(min_length=1)  # name of the secret that holds the URL, which lets anybody post who knows it


class WebhookNotifier(HttpFacts):
    """A POST of the notification as JSON, signed by Standard Webhooks."""

    type: Literal["webhook"]
    signing_secret: str = Field(min_length=1)  # name of the secret whsec_...


class TeamsNotifier(HttpFacts):
    """An adaptive card, to a webhook of Microsoft Teams' workflows."""

    type: Literal["teams"]


class SlackNotifier(HttpFacts):
    """A message to an incoming webhook of Slack."""

    type: Literal["slack"]


class AzureMonitorNotifier(Document):
    """A row of a table of Azure Monitor, by its Logs Ingestion API."""

    type: Literal["azure_monitor"]
    name: str = Field(pattern=NAME_PATTERN)  # that monitors call it by
    # of a data collection endpoint or rule; http only to this machine
    endpoint: str = Field(pattern=r"^(https://[A-Za-z0-9.-]+|http://(127\.0\.0\.1|localhost))(:[0-9]+)?/?$")
    rule_id: str = Field(pattern=r"^dcr-[0-9a-f]{32}$")  # the immutable id of the data collection rule
    stream: str = Field(pattern=r"^[A-Za-z0-9_-]{1,100}$")  # that the rule declares: Custom-TABLE_CL
    client_id: str = ""  # of a managed identity; "": of AZURE_CLIENT_ID, or the system-assigned one


class SmtpNotifier(Document):
    """A mail."""

    type: Literal["smtp"]
    name: str = Field(pattern=NAME_PATTERN)  # that monitors call it by
    host: str = Field(min_length=1)  # of the mail server
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"  # none: only to this machine
    username: str = ""  # "": it asks nobody who they are
    password_secret: str = ""  # name of the secret
    sender: str = Field(min_length=3)  # address
    recipients: list[str] = Field(default_factory=list)  # addresses; []: only those that monitors name


NotifierDeclaration = Annotated[
    WebhookNotifier | TeamsNotifier | SlackNotifier | AzureMonitorNotifier | SmtpNotifier, Field(discriminator="type")
]
