"""`slipway rollout`: traffic goes from one deployment to another, watched, and comes back by itself."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from shared.cli import output
from shared.cli.api import Api, segment
from shared.cli.errors import CliError, ExitCode
from shared.cli.options import Options, common_options

POLL_S = 0.5
ENDED = ("Succeeded", "RolledBack", "Aborted", "Failed")


@click.group("rollout")
def rollout() -> None:
    """Rollouts: canaries, ramps, blue/green, A/B tests, shadows."""


@rollout.command("start")
@click.option(
    "-f", "--file", "path", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML: name, endpoint_name, stable, candidate, strategy, analysis.",
)  # fmt: skip
@click.option("--watch", is_flag=True, help="Wait until it has ended.")
@common_options
def start(options: Options, path: Path, watch: bool) -> None:
    """Begin a rollout."""
    import yaml

    try:
        document = yaml.safe_load(path.read_text())
        name = document.pop("name")
    except (yaml.YAMLError, AttributeError, KeyError) as error:
        raise CliError(
            f"{path} is no rollout: it is YAML with `name`, `endpoint_name`, ...", ExitCode.REFUSED
        ) from error
    with Api(options) as api:
        found = api.call("POST", "rollouts", body={"name": name, "spec": document}).document
        if watch:
            _end(options, _watched(options, api, name))
            return
    output.show(options, found, describe(found))


@rollout.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many.")
@common_options
def list_(options: Options, limit: int) -> None:
    """List rollouts, newest first."""
    with Api(options) as api:
        page = api.pages("rollouts", limit=limit)
    rows = [
        (
            one["name"],
            one["status"]["phase"],
            one["spec"]["endpoint_name"],
            f"{one['spec']['stable']} -> {one['spec']['candidate']}",
            one["spec"]["strategy"]["type"],
            one["status"]["reason"],
            output.moment(one["created_at"]),
        )
        for one in page["items"]
    ]
    headings = ("ROLLOUT", "PHASE", "ENDPOINT", "DEPLOYMENTS", "STRATEGY", "REASON", "CREATED")
    output.show(options, page, output.table(headings, rows, empty="There are no rollouts."))


@rollout.command("show")
@click.argument("name")
@common_options
def show(options: Options, name: str) -> None:
    """Show a rollout, and how far it is."""
    with Api(options) as api:
        found = api.get(f"rollouts/{segment(name)}")
    output.show(options, found, describe(found))


@rollout.command("watch")
@click.argument("name")
@common_options
def watch(options: Options, name: str) -> None:
    """Wait until a rollout has ended; exit code 4 unless its candidate was promoted."""
    with Api(options) as api:
        _end(options, _watched(options, api, name))


def _action(action: str, text: str) -> None:
    @rollout.command(action, help=text)
    @click.argument("name")
    @common_options
    def act(options: Options, name: str) -> None:
        with Api(options) as api:
            found = api.call("POST", f"rollouts/{segment(name)}/{action}").document
        output.show(options, found, describe(found))


_action("pause", "Hold a rollout where it is.")
_action("resume", "Let a rollout go on.")
_action("approve", "Let a rollout that waits for somebody's word take its next step.")
_action("abort", "Give the traffic back to the stable deployment.")
_action("undo", "Abort a rollout that is under way, or take back what one that has ended changed.")


def _watched(options: Options, api: Api, name: str) -> dict[str, Any]:
    told = ""
    while True:
        found: dict[str, Any] = api.get(f"rollouts/{segment(name)}")
        line = _line(found)
        if line != told and options.output == "table":
            told = line
            click.echo(line, err=True)
        if found["status"]["phase"] in ENDED:
            return found
        time.sleep(POLL_S)


def _end(options: Options, found: dict[str, Any]) -> None:
    output.show(options, found, describe(found))
    if found["status"]["phase"] != "Succeeded":
        raise click.exceptions.Exit(int(ExitCode.REFUSED))


def _line(found: dict[str, Any]) -> str:
    status = found["status"]
    checks = "; ".join(f"{one['metric']} {one['verdict']}" for one in status["results"])
    return "  ".join(
        part for part in (status["phase"], f"step {status['step'] + 1}", checks, status["message"]) if part
    )


def _arms(experiment: dict[str, Any] | None) -> list[str]:
    """Each arm's value with its interval, and the difference, of an experiment."""
    if experiment is None:
        return []

    def between(one: dict[str, Any] | None) -> str:
        return f" ({one['low']:.4g} to {one['high']:.4g})" if one else ""

    arms = [
        f"{arm['deployment']}: {arm['samples']} samples"
        + (f", {arm['value']:.4g}{between(arm['interval'])}" if arm["value"] is not None else "")
        for arm in experiment["arms"]
    ]
    if experiment["difference"] is not None:
        arms.append(f"difference: {experiment['difference']:.4g}{between(experiment['interval'])}")
    return arms


def describe(one: dict[str, Any]) -> str:
    """A rollout for people."""
    spec, status = one["spec"], one["status"]
    return output.fields(
        [
            ("rollout", one["name"]),
            ("phase", status["phase"]),
            ("endpoint", spec["endpoint_name"]),
            ("stable", spec["stable"]),
            ("candidate", spec["candidate"]),
            ("strategy", spec["strategy"]["type"]),
            ("step", status["step"] + 1),
            ("reason", status["reason"]),
            ("message", status["message"]),
            ("arms", _arms(status["experiment"])),
            ("checks", [f"{c['metric']}: {c['verdict']}, {c['message']}" for c in status["results"]]),
            ("created", f"{output.moment(one['created_at'])} by {one['created_by']}"),
        ]
    )
