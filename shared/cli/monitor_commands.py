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


@click.group("monitor")
def monitor() -> None:
    """Monitors of deployments: `slipway apply` declares them."""


@monitor.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many.")
@common_options
def list_(options: Options, limit: int) -> None:
    """List monitors."""
    with Api(options) as api:
        page = api.pages("resources/monitor", limit=limit)
    rows = [(one["name"], output.moment(one["created_at"])) for one in page["items"]]
    output.show(options, page, output.table(("NAME", "CREATED"), rows, empty="There are no monitors."))


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
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many.")
@common_options
def runs(options: Options, limit: int) -> None:
    """List runs of monitors, newest first."""
    with Api(options) as api:
        page = api.pages("monitor-runs", limit=limit)
    rows = [
        (one["monitor_run_id"], one["monitor"], one["phase"], one["verdict"] or "", output.moment(one["created_at"]))
        for one in page["items"]
    ]
    headings = ("ID", "MONITOR", "PHASE", "VERDICT", "CREATED")
    output.show(options, page, output.table(headings, rows, empty="There are no runs of monitors."))


@monitor.command("show")
@click.argument("name")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Save the last result as a page.")
@common_options
def show(options: Options, name: str, report: Path | None) -> None:
    """Show what the last run of a monitor that ended well found."""
    with Api(options) as api:
        api.get(f"resources/monitor/{segment(name)}")
        page = api.pages("monitor-runs", limit=1000)
        ended = [one for one in page["items"] if one["monitor"] == name and one["phase"] == "Succeeded"]
        if not ended:
            raise CliError(f"no run of {name} has ended well", ExitCode.REFUSED, remedy=f"slipway monitor run {name}")
        found = api.get(f"monitor-runs/{segment(ended[0]['monitor_run_id'])}")
    if report is not None:
        from shared.monitors.report_html import report_html
        from shared.resources.monitor_result import MonitorResult

        report.write_text(report_html(MonitorResult.model_validate(found["result"])))
    output.show(options, found, describe(found))


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
