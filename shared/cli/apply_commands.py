"""`slipway apply`, `diff`, `get` and `delete`: declared files, and what they declared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from shared.cli import output
from shared.cli.api import Api, segment
from shared.cli.applying import applied as applied_by
from shared.cli.errors import CliError, ExitCode, fault_line
from shared.cli.options import Options, common_options

FILE = click.option(
    "-f", "--file", "target", required=True, type=click.Path(exists=True, path_type=Path), help="A file or a folder."
)
SOURCE = click.option("--source", help="What the place is called [the repository, or the folder].")
PRUNE = click.option("--prune", is_flag=True, help="Remove what this source declared in files that are gone.")


@click.command("apply")
@FILE
@SOURCE
@PRUNE
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@common_options
def apply(options: Options, target: Path, source: str | None, prune: bool, dry_run: bool) -> None:
    """Make what declared files say so; exit code 4 when any was refused."""
    applied = _apply(options, target, source, prune=prune, dry_run=dry_run)
    output.show(options, applied, _table(applied))
    if applied["counts"].get("refused"):
        raise click.exceptions.Exit(int(ExitCode.REFUSED))


@click.command("diff")
@FILE
@SOURCE
@PRUNE
@click.option("--exit-code", is_flag=True, help="Exit with 1 when there are differences, as git does.")
@common_options
def diff(options: Options, target: Path, source: str | None, prune: bool, exit_code: bool) -> None:
    """Show how what declared files say differs from what is so."""
    applied = _apply(options, target, source, prune=prune, dry_run=True)
    lines = [line for one in applied["files"] for line in _differences(one)]
    output.show(options, applied, "\n".join(lines) or "No differences.")
    if exit_code and lines:
        raise click.exceptions.Exit(1)


@click.command("get")
@click.argument("kind")
@click.argument("reference", required=False, metavar="NAME[:VERSION]")
@common_options
def get(options: Options, kind: str, reference: str | None) -> None:
    """List the resources of a KIND (environment, data, job, online-endpoint...), or show one as YAML."""
    with Api(options) as api:
        if reference is None:
            page = api.pages(f"resources/{segment(kind)}")
            rows = [
                (
                    one["name"],
                    one["version"] or one["status"].get("latest_version", ""),
                    one["generation"],
                    one["properties"].get("slipway.source.file", ""),
                    output.moment(one["modified_at"]),
                    one["modified_by"],
                )
                for one in page["items"]
            ]
            headings = ("NAME", "VERSION", "GENERATION", "FILE", "MODIFIED", "BY")
            output.show(options, page, output.table(headings, rows, empty=f"There is no {kind}."))
            return
        found = _one(api, "GET", kind, reference)
    output.show(options, found, output.document_text(found, "yaml").rstrip("\n"))


@click.command("delete")
@click.argument("kind")
@click.argument("reference", metavar="NAME[:VERSION]")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@common_options
def delete(options: Options, kind: str, reference: str, yes: bool) -> None:
    """Delete a declared resource that nothing refers to; of an asset one version, the newest when none is named."""
    if not yes:
        click.confirm(f"Delete {kind} {reference} for good?", abort=True)
    with Api(options) as api:
        _one(api, "DELETE", kind, reference)
    click.echo(f"Deleted {kind} {reference}")


def _one(api: Api, method: str, kind: str, reference: str) -> Any:
    name, _, version = reference.partition(":")
    path = f"resources/{segment(kind)}/{segment(name)}"
    return api.call(method, path, query={"version": version}).document


def _apply(options: Options, target: Path, source: str | None, *, prune: bool, dry_run: bool) -> dict[str, Any]:
    from shared.cli.declared_folder import gathered

    if prune and not target.is_dir():
        raise CliError("only a whole folder can be pruned", ExitCode.USAGE, remedy="name the folder with -f")
    root, sent = gathered(target)
    with Api(options) as api:
        return applied_by(api, options, root, sent, source, prune=prune, dry_run=dry_run)


def _table(applied: dict[str, Any]) -> str:
    rows = [
        (one["result"], one["path"], _named(one), one["reason"])
        for one in applied["files"]
        if one["result"] != "ignored"
    ]
    lines = [output.table(("RESULT", "FILE", "RESOURCE", ""), rows, empty="There are no declared files.")]
    lines += [f"  {fault_line(fault)}" for one in applied["files"] for fault in one["faults"]]
    told = ", ".join(f"{number} {result}" for result, number in applied["counts"].items() if result != "ignored")
    lines += [f"{'Would be: ' if applied['sync_id'] is None else ''}{told}"] if told else []
    return "\n".join(lines)


def _named(outcome: dict[str, Any]) -> str:
    if not outcome["kind"] or not outcome["name"]:
        return ""
    version = f":{outcome['version']}" if outcome["version"] else ""
    return f"{outcome['kind']}/{outcome['name']}{version}"


def _differences(outcome: dict[str, Any]) -> list[str]:
    """The file's outcome and each changed place, as a unified diff marks them; [] for a file that changes nothing."""
    if outcome["result"] in ("unchanged", "ignored"):
        return []
    lines = [f"{outcome['result']} {_named(outcome)} ({outcome['path']})"]
    for change in outcome["changes"]:
        lines += [f"- {change['pointer']}: {json.dumps(change['before'])}"] if change["before"] is not None else []
        lines += [f"+ {change['pointer']}: {json.dumps(change['after'])}"] if change["after"] is not None else []
    return lines + [f"! {fault_line(fault)}" for fault in outcome["faults"]]
