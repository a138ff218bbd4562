"""`slipway upload` and `slipway reconcile`: what waits and why, and looking at it again."""

from __future__ import annotations

from typing import Any

import click

from shared.cli import output
from shared.cli.api import Api, segment
from shared.cli.errors import fault_line
from shared.cli.options import Options, common_options
from shared.cli.push import why_not_registered


@click.group("upload")
def upload() -> None:
    """See what became of uploads."""


@upload.command("list")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many [all].")
@common_options
def list_uploads(options: Options, limit: int | None) -> None:
    """List the uploads: what became of each, or what it waits for."""
    with Api(options) as api:
        page = api.pages("uploads", limit=limit)
    rows = [
        (
            i["upload_id"],
            i["phase"],
            i["model_id"],
            i["directory"],
            output.moment(i["created_at"]),
            why_not_registered(i),
        )
        for i in page["items"]
    ]
    headings = ("ID", "PHASE", "MODEL", "FOLDER", "CREATED", "WHY NOT")
    output.show(options, page, output.table(headings, rows, empty="There are no uploads."))


@upload.command("show")
@click.argument("upload_id", metavar="ID")
@common_options
def show(options: Options, upload_id: str) -> None:
    """Show one upload: its phase, what is missing, what is wrong."""
    with Api(options) as api:
        found = api.get(f"uploads/{segment(upload_id)}")
    output.show(options, found, _describe(found))


def _describe(found: dict[str, Any]) -> str:
    conditions = [
        f"{c['type']}={c['status']} {c['reason']} since {output.moment(c['last_transition_time'])}: {c.get('message')}"
        for c in found["conditions"]
    ]
    return output.fields(
        [
            *((name, found.get(name)) for name in ("upload_id", "phase", "model_id", "container", "directory")),
            ("missing", found.get("missing")),
            ("faults", [fault_line(fault) for fault in found.get("faults", [])]),
            ("conditions", conditions),
            ("deadline", output.moment(found.get("deadline"))),
            ("created", f"{output.moment(found['created_at'])} by {found['created_by']}"),
        ]
    )


@click.command("reconcile")
@click.argument("resource", metavar="KIND/NAME")
@common_options
def reconcile(options: Options, resource: str) -> None:
    """Look at a resource again at once, also at one that failed (e.g. upload/ID)."""
    kind, slash, name = resource.partition("/")
    if not (kind and slash and name):
        raise click.UsageError(f"{resource!r} is not KIND/NAME, e.g. upload/u-1234")
    with Api(options) as api:
        found = api.call("POST", f"resources/{segment(kind)}/{segment(name)}/reconcile").document
    phase = (found or {}).get("phase")
    output.show(options, found, f"{resource} will be looked at{f'; its phase is {phase}' if phase else ''}")
