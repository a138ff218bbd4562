"""`slipway policy`: the policy for models, and what it would refuse of what is registered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from shared.cli import output
from shared.cli.api import PAGE_SIZE, Api
from shared.cli.errors import CliError, ExitCode, fault_line
from shared.cli.options import Options, common_options


@click.group("policy")
def policy() -> None:
    """See and try the policy that models must keep."""


@policy.command("show")
@click.argument("which", type=click.Choice(["model", "automation"]), default="model")
@common_options
def show(options: Options, which: str) -> None:
    """Show the policy that is in force: for which models are accepted, or for what is done with them by itself."""
    with Api(options) as api:
        found = api.get(f"policies/{which}")
    output.show(options, found, found["text"].rstrip("\n"))


@policy.command("test")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@common_options
def test(options: Options, file: Path | None) -> None:
    """Try FILE (a JSON Schema), or the policy in force, on every registered version; exit code 4 when it would refuse
    any."""
    body = {} if file is None else {"policy": _read(file)}
    with Api(options) as api:
        found = _all_pages(api, body)
    rows = [(one["id"], fault_line(fault)) for one in found["items"] for fault in one["faults"]]
    summary = f"{found['checked']} checked, {len(found['items'])} would be refused"
    lines = [output.table(("ID", "FAULT"), rows, empty=""), summary] if rows else [summary]
    output.show(options, found, "\n".join(lines))
    if found["items"]:
        raise click.exceptions.Exit(int(ExitCode.REFUSED))


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_bytes())
    except ValueError as error:
        raise CliError(f"{file} is not JSON: {error}", ExitCode.REFUSED, remedy="give a JSON Schema") from error


def _all_pages(api: Api, body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"checked": 0, "items": []}
    continuation: str | None = None
    while True:
        query = {"limit": PAGE_SIZE, "continuation": continuation}
        page = api.call("POST", "policies/model/test", query=query, body=body).document
        found["checked"] += page["checked"]
        found["items"] += page["items"]
        continuation = page["continuation"]
        if continuation is None:
            return found
