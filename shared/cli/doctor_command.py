"""`slipway doctor`: whether all that Slipway needs is there and well, and what to do where it is not."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Literal

import click

from shared.cli import output
from shared.cli.api import Api
from shared.cli.errors import CliError
from shared.cli.options import Options, common_options

MAX_SKEW_S = 60.0  # signed URLs and webhooks are refused by clocks that differ by more
MIN_FREE_BYTES = 2**30
TOOLS = {
    "git": "records where a pushed model comes from",
    "uv": "builds environments",
    "docker": "runs images on this machine",
    "kubectl": "shows deployments on Kubernetes",
    "az": "logs in to Azure (--auth entra)",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    state: Literal["ok", "note", "wrong"]  # a note is no fault: something optional is not there
    message: str
    remedy: str = ""


@click.command("doctor")
@common_options
def doctor(options: Options) -> None:
    """Check the server, what is on its way, and this machine; exit with 1 when something is wrong."""
    found = [*_server(options), *_data_folder(options), *_tools()]
    rows = [(one.state, one.name, one.message, f"To do: {one.remedy}" if one.remedy else "") for one in found]
    table = output.table(("STATE", "WHAT", "FOUND", ""), rows, empty="")
    output.show(options, {"findings": [asdict(one) for one in found]}, table)
    if any(one.state == "wrong" for one in found):
        raise click.exceptions.Exit(1)


def _server(options: Options) -> Iterator[Finding]:
    try:
        with Api(options) as api:
            for check in (_health, _key, _subscriptions, _uploads, _policy, _automation):
                yield from _checked(check, api)
    except CliError as error:
        yield Finding("server", "wrong", error.message, error.remedy or "")


def _checked(check: Callable[[Api], Iterator[Finding]], api: Api) -> Iterator[Finding]:
    """What the check finds; an error ends it, and the others go on but for a server that cannot be reached."""
    try:
        yield from check(api)
    except CliError as error:
        if error.transient:
            raise
        yield Finding(check.__name__.strip("_"), "wrong", error.message, error.remedy or "")


def _health(api: Api) -> Iterator[Finding]:
    answer = api.call("GET", "health")
    document = answer.document
    healthy = document["status"] == "Healthy"
    checks = ", ".join(f"{name} {state}" for name, state in document["checks"].items())
    text = (
        f"{api.connection.base_url} {document['status']}, version {document['version']}, {document['mode']}; {checks}"
    )
    yield Finding("server", "ok" if healthy else "wrong", text, "" if healthy else "look at the server's log")
    if refused := document.get("deliveries_refused"):
        text = ", ".join(f"{number} {code}" for code, number in refused.items())
        yield Finding("git deliveries", "note", f"refused since the start: {text}", "the server's log says why")
    if date := answer.headers.get("date"):
        skew_s = abs((parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds())
        bad = skew_s > MAX_SKEW_S
        yield Finding(
            "clock", "wrong" if bad else "ok", f"{skew_s:.0f} s beside the server's", "set the clock" if bad else ""
        )


def _key(api: Api) -> Iterator[Finding]:
    api.get("models", {"limit": 1})
    yield Finding("key", "ok", "accepted")


def _subscriptions(api: Api) -> Iterator[Finding]:
    items = api.get("subscriptions")["items"]
    bad = [one for one in items if one["state"] != "Succeeded"]
    for one in bad:
        remedy = f"let it answer, then `slipway subscription add {one['name']} ...` again"
        yield Finding("subscription", "wrong", f"{one['name']} is {one['state']}: {one['state_reason']}", remedy)
    if not bad:
        yield Finding("subscriptions", "ok", f"{len(items)}, none failing")


def _uploads(api: Api) -> Iterator[Finding]:
    items = api.pages("uploads")["items"]
    failed = [one["upload_id"] for one in items if one["phase"] == "Failed"]
    waiting = [one["upload_id"] for one in items if one["phase"] == "WaitingForFiles"]
    text = f"{len(items)}; {len(failed)} failed, {len(waiting)} waiting for files"
    shown = f"`slipway upload show {failed[-1]}` says why" if failed else ""
    yield Finding("uploads", "note" if failed else "ok", text, shown)


def _policy(api: Api) -> Iterator[Finding]:
    try:
        tried = api.call("POST", "policies/model/test", query={"limit": 1}, body={})
    except CliError as error:
        if error.status != 404:
            raise
        yield Finding("policy", "note", "none: every model is accepted", "put a JSON Schema at policies/model.json")
        return
    yield Finding("policy", "ok", f"valid, tried on {tried.document['checked']} version(s)")


def _automation(api: Api) -> Iterator[Finding]:
    try:
        found = api.get("policies/automation")
    except CliError as error:
        if error.status == 422:
            yield Finding("automation", "wrong", error.message, "correct policies/automation.json")
        elif error.status != 404:
            raise
        return
    yield Finding("automation", "ok", f"{found['path']} can be read")


def _data_folder(options: Options) -> Iterator[Finding]:
    folder = options.data_path
    if not folder.is_dir():
        return
    free_bytes = shutil.disk_usage(folder).free
    bad = free_bytes < MIN_FREE_BYTES
    text = f"{folder}, {output.size(free_bytes)} free"
    yield Finding("data folder", "wrong" if bad else "ok", text, "make room" if bad else "")


def _tools() -> Iterator[Finding]:
    beside = str(Path(sys.executable).parent)  # where Slipway's own uv is, also when the PATH does not have it
    for name, purpose in TOOLS.items():
        found: Any = shutil.which(name) or shutil.which(name, path=beside)
        yield Finding(name, "ok" if found else "note", purpose if found else f"not installed ({purpose})")
