"""`slipway monitor`: what watches deployments, its runs, and what they found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from shared.cli import output
from shared.cli.api import Api, segment
from shared.cli.errors import CliError, ExitCode
from shared.cli.options import Options, common_options
from shared.cli.waiting_for_runs import finished_run

PAGE = 50


@click.group("monitor")
def monitor() -> None:
    """Monitors of deployments: `slipway apply` declares them."""


@monitor.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many.")
@common_options
def list_(options: Options, limit: int) -> None:
    """List monitors, and when they run."""
    with Api(options) as api:
        page = api.pages("monitors", limit=limit)
    rows = [
        (one["name"], _next(one), one["last_started_run"], output.moment(one["created_at"])) for one in page["items"]
    ]
    headings = ("NAME", "NEXT RUN", "LAST SCHEDULED", "CREATED")
    output.show(options, page, output.table(headings, rows, empty="There are no monitors."))


def _next(monitor: dict[str, Any]) -> str:
    if not monitor["enabled"]:
        return "disabled"
    return output.moment(monitor["next_run_at"]) if monitor["next_run_at"] else "never"


@monitor.command("enable")
@click.argument("name")
@common_options
def enable(options: Options, name: str) -> None:
    """Let a monitor's trigger start runs; times while it was disabled start none."""
    _switch(options, name, "enable")


@monitor.command("disable")
@click.argument("name")
@common_options
def disable(options: Options, name: str) -> None:
    """Let a monitor's trigger start nothing; `slipway monitor run` still runs it."""
    _switch(options, name, "disable")


def _switch(options: Options, name: str, verb: str) -> None:
    with Api(options) as api:
        found = api.call("POST", f"monitors/{segment(name)}/{verb}").document
    output.show(options, found, f"{name}: {'next run ' if found['enabled'] else ''}{_next(found)}")


@monitor.command("run")
@click.argument("name")
@common_options
def run(options: Options, name: str) -> None:
    """Run a monitor now and wait for what it finds; the exit code is 0 whatever that is, unless the run fails."""
    with Api(options) as api:
        made = api.call("POST", f"monitors/{segment(name)}/run").document
        found = finished_run(api, made["monitor_run_id"])
    output.show(options, found, describe(found))
    if found["run"]["phase"] != "Succeeded":
        raise click.exceptions.Exit(int(ExitCode.REFUSED))


@monitor.command("backfill")
@click.argument("name")
@click.option("--from", "start", required=True, help="The first time, e.g. 2026-11-01 or 2026-11-01T06:00:00Z.")
@click.option("--to", "end", default=None, help="The last time.  [default: now]")
@click.option("--notify", is_flag=True, help="Announce breaches, and tell people, as it would have been then.")
@common_options
def backfill(options: Options, name: str, start: str, end: str | None, notify: bool) -> None:
    """Run a monitor for each time of its trigger in a span that is over, in order, and wait for all of them."""
    body = {"from": start, "to": end, "notify": notify}
    with Api(options) as api:
        begun = api.call("POST", f"monitors/{segment(name)}/backfill", body=body).document
        ended = [finished_run(api, one["monitor_run_id"])["run"] for one in begun["runs"]]
    rows = [(output.moment(one["due_at"]), one["monitor_run_id"], one["phase"], one["verdict"]) for one in ended]
    output.show(options, {"runs": ended}, output.table(("DUE", "ID", "PHASE", "VERDICT"), rows, empty="No runs."))
    if any(one["phase"] != "Succeeded" for one in ended):
        raise click.exceptions.Exit(int(ExitCode.REFUSED))


@monitor.command("runs")
@click.argument("name", required=False)
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many.")
@common_options
def runs(options: Options, name: str | None, limit: int) -> None:
    """List runs of all monitors, or of one, newest first."""
    with Api(options) as api:
        page = api.pages("monitor-runs", {"monitor": name} if name else None, limit=limit)
    rows = [
        (
            one["monitor_run_id"],
            one["monitor"],
            one["reason"],
            one["phase"],
            one["verdict"],
            output.moment(one["due_at"]),
        )
        for one in page["items"]
    ]
    headings = ("ID", "MONITOR", "REASON", "PHASE", "VERDICT", "DUE")
    output.show(options, page, output.table(headings, rows, empty="There are no runs of monitors."))


@monitor.command("hours")
@click.argument("name", required=False)
@click.option("--limit", type=click.IntRange(min=1), default=48, show_default=True, help="At most so many.")
@common_options
def hours(options: Options, name: str | None, limit: int) -> None:
    """List hours of collected data that are sketched for monitors, or for one, newest first."""
    with Api(options) as api:
        page = api.pages("collection-windows", {"monitor": name} if name else None, limit=limit)
    rows = [
        (
            output.moment(one["start"]),
            one["collection"],
            one["phase"],
            *(str(one["counts"][each]) for each in ("files", "rows", "corrupt_lines", "duplicate_lines", "late_rows")),
            one["error"].partition("\n")[0],
        )
        for one in page["items"]
    ]
    headings = ("HOUR", "COLLECTION", "PHASE", "FILES", "ROWS", "CORRUPT", "DUPLICATE", "LATE", "WHY NOT")
    output.show(options, page, output.table(headings, rows, empty="No hour of collected data is sketched."))


@monitor.command("show")
@click.argument("name")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Save the result as a page.")
@click.option("--run", "run_id", help="Show this run.  [default: the last one that ended well, without backfills]")
@common_options
def show(options: Options, name: str, report: Path | None, run_id: str | None) -> None:
    """Show what a run of a monitor found."""
    with Api(options) as api:
        api.get(f"resources/monitor/{segment(name)}")
        found = api.get(f"monitor-runs/{segment(run_id)}") if run_id else _last_result(api, name)
    if found["run"]["monitor"] != name:
        raise CliError(f"{run_id} is a run of {found['run']['monitor']}", ExitCode.REFUSED)
    if report is not None:
        if found["result"] is None:
            raise CliError(f"{run_id} is {found['run']['phase']}: there is no result", ExitCode.REFUSED)
        from shared.monitors.report_html import report_html
        from shared.resources.monitor_result import MonitorResult

        report.write_text(report_html(MonitorResult.model_validate(found["result"])))
    output.show(options, found, describe(found))


def _last_result(api: Api, name: str) -> dict[str, Any]:
    """Of the newest run of the monitor that ended well, backfills aside. Raises CliError where there is none."""
    query: dict[str, Any] = {"monitor": name, "limit": PAGE}
    while True:
        page = api.get("monitor-runs", query)
        for one in page["items"]:
            if one["phase"] == "Succeeded" and one["reason"] != "Backfill":
                found: dict[str, Any] = api.get(f"monitor-runs/{segment(one['monitor_run_id'])}")
                return found
        if page["continuation"] is None:
            raise CliError(f"no run of {name} has ended well", ExitCode.REFUSED, remedy=f"slipway monitor run {name}")
        query["continuation"] = page["continuation"]


def describe(found: dict[str, Any]) -> str:
    """A run for people."""
    one = found["run"]
    head = output.fields(
        [
            ("run", one["monitor_run_id"]),
            ("monitor", one["monitor"]),
            ("phase", one["phase"]),
            ("verdict", one["verdict"]),
            ("error", one["error"] or None),
            ("notifications", [_told(each) for each in one["conditions"] if each["type"] == "NotificationsSent"]),
        ]
    )
    if not found["result"]:
        return head
    from shared.cli.drift_forms import as_table
    from shared.resources.monitor_result import MonitorResult

    return f"{head}\n{as_table(MonitorResult.model_validate(found['result']))}"


def _told(condition: dict[str, Any]) -> str:
    return f"{condition['reason']}: {condition['message']}" if condition["message"] else str(condition["reason"])
