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
    output.show(options, found, f"{name}: {verb}d, next run: {_next(found)}")


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


@monitor.command("show")
@click.argument("name")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Save the last result as a page.")
@common_options
def show(options: Options, name: str, report: Path | None) -> None:
    """Show what the last run of a monitor that ended well found."""
    with Api(options) as api:
        api.get(f"resources/monitor/{segment(name)}")
        found = _last_result(api, name)
    if report is not None:
        from shared.monitors.report_html import report_html
        from shared.resources.monitor_result import MonitorResult

        report.write_text(report_html(MonitorResult.model_validate(found["result"])))
    output.show(options, found, describe(found))


def _last_result(api: Api, name: str) -> dict[str, Any]:
    """Of the newest run of the monitor that ended well. Raises CliError where there is none."""
    query: dict[str, Any] = {"monitor": name, "limit": PAGE}
    while True:
        page = api.get("monitor-runs", query)
        for one in page["items"]:
            if one["phase"] == "Succeeded":
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
        ]
    )
    if not found["result"]:
        return head
    from shared.cli.drift_forms import as_table
    from shared.resources.monitor_result import MonitorResult

    return f"{head}\n{as_table(MonitorResult.model_validate(found['result']))}"
