"""`slipway sync`: what became of pushes and applied files."""

from __future__ import annotations

import time
from typing import Any

import click

from shared.cli import output
from shared.cli.api import Api, segment
from shared.cli.errors import CliError, ExitCode, fault_line
from shared.cli.options import Options, common_options

UNFINISHED = ("Pending", "Applying")
POLL_S = 0.3


@click.group("sync")
def sync() -> None:
    """See and start syncs: the declared files of a commit, and what became of them."""


@sync.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many.")
@common_options
def list_(options: Options, limit: int) -> None:
    """List syncs, newest first."""
    with Api(options) as api:
        page = api.pages("syncs", limit=limit)
    rows = [
        (
            one["sync_id"],
            one["phase"],
            one["spec"]["repository"],
            one["spec"]["trigger"],
            (one["spec"]["ref"] or "").removeprefix("refs/heads/"),
            (one["status"]["commit"] or one["spec"]["commit"] or "")[:12],
            _counts(one),
            output.moment(one["created_at"]),
        )
        for one in page["items"]
    ]
    headings = ("ID", "PHASE", "REPOSITORY", "TRIGGER", "BRANCH", "COMMIT", "FILES", "CREATED")
    output.show(options, page, output.table(headings, rows, empty="There are no syncs."))


@sync.command("show")
@click.argument("sync_id")
@common_options
def show(options: Options, sync_id: str) -> None:
    """Show one sync: what was created, changed, left alone, refused, and why."""
    with Api(options) as api:
        found = api.get(f"syncs/{segment(sync_id)}")
    output.show(options, found, describe(found))


@sync.command("run")
@click.argument("repository")
@click.argument("branch", default="main")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@common_options
def run(options: Options, repository: str, branch: str, dry_run: bool) -> None:
    """Sync what BRANCH [main] of a configured REPOSITORY holds now, and wait for it."""
    body = {"repository": repository, "branch": branch, "dry_run": dry_run}
    with Api(options) as api:
        started = api.call("POST", "syncs", body=body).document
        _finish(options, api, started["sync_id"])


@sync.command("watch")
@click.argument("sync_id")
@common_options
def watch(options: Options, sync_id: str) -> None:
    """Wait until a sync has ended, and show it; exit code 4 when files were refused."""
    with Api(options) as api:
        _finish(options, api, sync_id)


def _finish(options: Options, api: Api, sync_id: str) -> None:
    end = time.monotonic() + api.timeout_s
    while True:
        found = api.get(f"syncs/{segment(sync_id)}")
        if found["phase"] not in UNFINISHED:
            break
        if time.monotonic() > end:
            raise CliError(f"{sync_id} is still {found['phase']}", ExitCode.TIMED_OUT, remedy="`slipway sync watch` it")
        time.sleep(POLL_S)
    output.show(options, found, describe(found))
    if found["phase"] in ("Failed", "PartiallySucceeded"):
        raise click.exceptions.Exit(int(ExitCode.REFUSED))


def describe(found: dict[str, Any]) -> str:
    """A sync for people: where it comes from, then a line a file, then what is wrong."""
    spec, status = found["spec"], found["status"]
    lines = [
        output.fields(
            [
                ("id", found["sync_id"]),
                ("phase", found["phase"]),
                ("repository", spec["repository"]),
                ("trigger", spec["trigger"] + (", dry run" if spec["dry_run"] else "")),
                ("ref", spec["ref"]),
                ("commit", status["commit"] or spec["commit"]),
                ("superseded by", status["superseded_by"]),
                ("reported", status["reported"]),
                ("conditions", [_condition(one) for one in found["conditions"]]),
            ]
        )
    ]
    rows = [(one["result"], one["path"], _named(one), one["reason"]) for one in status["files"]]
    lines += [output.table(("RESULT", "FILE", "RESOURCE", ""), rows, empty="")] if rows else []
    lines += [f"and {status['files_left_out']} more files"] if status["files_left_out"] else []
    lines += [f"  {fault_line(fault)}" for one in status["files"] for fault in one["faults"]]
    return "\n".join(lines)


def _condition(one: dict[str, Any]) -> str:
    return f"{one['type']}={one['status']}  {one['reason']}  {one['message']}"


def _named(one: dict[str, Any]) -> str:
    version = f":{one['version']}" if one["version"] else ""
    return f"{one['kind']}/{one['name']}{version}" if one["name"] else ""


def _counts(one: dict[str, Any]) -> str:
    counts = one["status"]["counts"]
    return ", ".join(f"{number} {result}" for result, number in counts.items() if result != "ignored")
