"""`slipway audit`: every change of every resource: shown, exported, and verified by its chain of hashes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from shared.cli import output
from shared.cli.api import Api
from shared.cli.errors import CliError, ExitCode, printable
from shared.cli.options import Options, common_options
from shared.cli.references import time_since


@click.group("audit", invoke_without_command=True)
@click.option("--since", metavar="TIME", help="From this time on, or from 15m, 2h, 7d ago.")
@click.option("--actor", help="Only changes by this user or app.")
@click.option("--kind", help="Only resources of this kind.")
@click.option("--resource", metavar="KIND/NAME[:V]", help="Only this resource.")
@common_options
def audit(
    options: Options,
    since: str | None,
    actor: str | None,
    kind: str | None,
    resource: str | None,
) -> None:
    """Show every change: when, of what, by whom."""
    if click.get_current_context().invoked_subcommand is not None:
        return
    with Api(options) as api:
        page = api.pages("audit", {"since": time_since(since)})
    kept = [
        one
        for one in page["items"]
        if actor in (None, one["cause"]["actor"])
        and kind in (None, one["key"].partition("/")[0])
        and resource in (None, one["key"])
    ]
    rows = [
        (*(output.moment(i["time"]), i["key"], i["action"], i["revision"]), i["cause"]["actor"], i["cause"]["type"])
        for i in kept
    ]
    headings = ("TIME", "RESOURCE", "ACTION", "REVISION", "BY", "CAUSE")
    output.show(options, {**page, "items": kept}, output.table(headings, rows, empty="There are no changes."))


@audit.command("export")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@common_options
def export(options: Options, file: str) -> None:
    """Write every record to FILE (-: standard output) as a line of JSON. Keep it elsewhere, to compare with."""
    with Api(options) as api:
        records = api.pages("audit")["items"]
    with click.open_file(file, "w", encoding="utf-8", atomic=file != "-") as out:
        out.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    click.echo(f"Exported {len(records)} records", err=True)


@audit.command("verify")
@click.option("--against", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="An earlier export.")
@common_options
def verify(options: Options, against: Path | None) -> None:
    """Check the chain of hashes of every resource, and with --against that no exported record vanished or changed.
    Exit code 4 when anything is broken."""
    from shared.cli.audit_chains import chain_breaks, changed_since

    exported = _read_export(against) if against else []
    with Api(options) as api:
        heads = api.pages("audit/heads")["items"]  # first: what is written meanwhile only makes histories longer
        records = api.pages("audit")["items"]
        known = {head["key"] for head in (*heads, *api.pages("audit/heads")["items"])}  # also what was made meanwhile
    found = [*chain_breaks(records, heads, known), *changed_since(exported, records)]
    resources = len({record["key"] for record in records})
    document: dict[str, Any] = {"records": len(records), "resources": resources, "breaks": found}
    summary = f"{len(records)} records of {resources} resources checked: {len(found) or 'no'} breaks"
    output.show(options, document, "\n".join(printable(line) for line in (*found, summary)))
    if found:
        raise click.exceptions.Exit(int(ExitCode.REFUSED))


def _read_export(file: Path) -> list[dict[str, Any]]:
    records = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        try:
            record = json.loads(line)
            records.append({**record, "key": record["key"], "revision": record["revision"]})
        except (ValueError, KeyError, TypeError) as error:
            message = f"{file}:{number}: is not a record of an export"
            raise CliError(message, ExitCode.REFUSED, remedy="give what `slipway audit export` wrote") from error
    return records
