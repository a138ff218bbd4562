"""`slipway deployment`: what a target is told, before it is."""

from __future__ import annotations

import json
from typing import Any

import click

from shared.cli import output
from shared.cli.api import Api, segment
from shared.cli.errors import CliError, ExitCode
from shared.cli.options import Options, common_options

DEPLOYMENT_NAME = "slipway/deployment-name"  # the annotation that says whose object it is on a cluster
DEPLOYMENT_LABEL = "slipwayDeployment"  # the same of a hub's configurations
DEPLOYMENT_TAG = "slipway-deployment"  # and of a container group
MARKS = {"create": "+", "update": "~", "delete": "-"}
SHOWN = 80  # characters of a value


@click.group("deployment")
def deployment() -> None:
    """What endpoints and their deployments are on a cluster, on devices, or in container groups."""


@deployment.command("render")
@click.argument("target", metavar="ENDPOINT[/DEPLOYMENT]")
@common_options
def render(options: Options, target: str) -> None:
    """Print exactly what the cluster, hub or resource group is told, as YAML; values of secrets are hidden."""
    import yaml

    endpoint, _, name = target.partition("/")
    plan = _plan(options, endpoint)
    documents = [each for each in plan["documents"] if not name or _of(each) == name]
    if name and not documents:
        raise CliError(f"{endpoint} has no deployment {name!r} that can be run", ExitCode.NOT_FOUND)
    output.show(options, documents, yaml.safe_dump_all(documents, sort_keys=False).rstrip("\n"))


@deployment.command("diff")
@click.argument("endpoint")
@click.option("--exit-code", is_flag=True, help="Exit with 1 when there are differences, as git does.")
@common_options
def diff(options: Options, endpoint: str, exit_code: bool) -> None:
    """Show how what is declared differs from what is on the cluster, at the hub or in the resource group."""
    plan = _plan(options, endpoint)
    lines = [line for one in plan["changes"] for line in _lines(one)]
    output.show(options, plan["changes"], "\n".join(lines) or "No differences.")
    if exit_code and lines:
        raise click.exceptions.Exit(1)


def _plan(options: Options, endpoint: str) -> dict[str, Any]:
    with Api(options) as api:
        found: dict[str, Any] = api.get(f"endpoints/{segment(endpoint)}/plan")
    return found


def _of(document: dict[str, Any]) -> str:
    if "metadata" in document:
        return str((document["metadata"].get("annotations") or {}).get(DEPLOYMENT_NAME, ""))
    if "tags" in document:
        return str(document["tags"].get(DEPLOYMENT_TAG, ""))
    return str((document.get("labels") or {}).get(DEPLOYMENT_LABEL, ""))


def _lines(change: dict[str, Any]) -> list[str]:
    head = f"{MARKS[change['action']]} {change['name']}"
    return [
        head,
        *(f"    {each['pointer']}: {_short(each['there'])} -> {_short(each['declared'])}" for each in change["fields"]),
    ]


def _short(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
