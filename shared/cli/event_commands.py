"""`slipway event`: list, follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from shared.cli import output
from shared.cli.api import Api
from shared.cli.errors import printable
from shared.cli.options import Options, common_options
from shared.cli.references import time_since

if TYPE_CHECKING:
    from threading import Event

OVERLAP = timedelta(seconds=60)  # events become visible late, and not in the order of their times


@click.group("event")
def event() -> None:
    """List and follow what happened."""


def _filters(function: Callable[..., None]) -> Callable[..., None]:
    for add in (
        click.option("--since", help="Not before this time (2026-11-23T12:00:00Z) or so long ago (15m, 2h)."),
        click.option("--subject-prefix", help="Only of subjects that start so, e.g. models/diabetes:"),
        click.option("--type", "types", multiple=True, help="Only of this type; repeatable."),
    ):
        function = add(function)
    return function


@event.command("list")
@_filters
@click.option("--limit", type=click.IntRange(min=1), help="At most so many, from the oldest on [all].")
@common_options
def list_events(
    options: Options, types: tuple[str, ...], subject_prefix: str | None, since: str | None, limit: int | None
) -> None:
    """List published events, oldest first."""
    query = {"type": ",".join(types), "subject_prefix": subject_prefix, "since": time_since(since)}
    with Api(options) as api:
        page = api.pages("events", query, limit=limit)
    rows = [(output.moment(e["eventTime"]), e["eventType"], e["subject"], e["id"]) for e in page["items"]]
    output.show(options, page, output.table(("TIME", "TYPE", "SUBJECT", "ID"), rows, empty="There are no events."))


@event.command("follow")
@_filters
@click.option("--interval-s", type=click.FloatRange(min=0.1), default=1.0, show_default=True, help="Between looks.")
@common_options
def follow(
    options: Options, types: tuple[str, ...], subject_prefix: str | None, since: str | None, interval_s: float
) -> None:
    """Print events as they come, each once, from --since or from now on; Ctrl-C ends it."""
    import signal
    import threading

    query = {"type": ",".join(types), "subject_prefix": subject_prefix}
    ended = threading.Event()

    def end(_number: int, _frame: object) -> None:
        ended.set()  # Python drops an exception that meets a destructor: then the next look ends it
        raise KeyboardInterrupt

    try:
        signal.signal(signal.SIGINT, end)
        with Api(options) as api:
            for each in followed(api, query, time_since(since), interval_s, ended):
                line = f"{output.moment(each['eventTime'])}  {each['eventType']}  {each['subject']}  {each['id']}"
                output.show_item(options, each, printable(line))
    except KeyboardInterrupt:
        click.echo(err=True)


def followed(
    api: Api, query: dict[str, Any], since: str | None, interval_s: float, ended: Event
) -> Iterator[dict[str, Any]]:
    """Every event from `since` (None: from now, by the server's clock) on, each once, until `ended` is set. Each look
    goes back by OVERLAP behind the newest event seen, and ids seen there are not given again."""
    import time

    began, began_s = server_time(api), time.monotonic()
    newest = start = _time(since) if since else began
    seen: dict[str, datetime] = {}
    while not ended.is_set():
        now = began + timedelta(seconds=time.monotonic() - began_s)  # an event from the future must not hide the rest
        floor = max(start, newest - OVERLAP)
        seen = {event_id: moment for event_id, moment in seen.items() if moment >= floor}
        for each in api.pages("events", {**query, "since": _text(floor)})["items"]:
            if each["id"] not in seen:
                seen[each["id"]] = _time(each["eventTime"])
                newest = max(newest, min(seen[each["id"]], now))
                yield each
        ended.wait(interval_s)


def server_time(api: Api) -> datetime:
    """The server's time to the second, from the Date header (RFC 9110, section 6.6.1); this machine's without it."""
    from email.utils import parsedate_to_datetime

    text = api.call("GET", "events", query={"limit": 1}).headers.get("date")
    try:
        return parsedate_to_datetime(text).astimezone(UTC) if text else datetime.now(UTC)
    except ValueError:
        return datetime.now(UTC)


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.UsageError(f"{text!r} is not a time such as 2026-11-23T12:00:00Z or 15m") from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
