"""`slipway run`: push, list, show."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from shared.cli import output
from shared.cli.api import Api, segment
from shared.cli.errors import CliError
from shared.cli.options import Options, common_options
from shared.cli.references import assignments

DEFAULT_PURPOSE = "training"
_PURPOSE = re.compile(r"(?:(?P<purpose>[^:/=]+)=)?(?P<reference>.+)", re.DOTALL)


@click.group("run")
def run() -> None:
    """Register runs and what they made; a model's `path` may name it: runs:/RUN_ID/PATH."""


@run.command("push")
@click.argument("run_id")
@click.argument("folder", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--experiment", help="The experiment it belongs to.")
@click.option("--status", help="As in Azure ML: Running, Failed... [Completed].")
@click.option("--description", help="Free text.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="For search; repeatable.")
@click.option("--property", "properties", multiple=True, metavar="KEY=VALUE", help="Never changes; repeatable.")
@click.option("--input", "inputs", multiple=True, metavar="[PURPOSE=]REF", help="A data set it read; repeatable.")
@click.option("--environment", metavar="REF", help="What it ran in, e.g. azureml:sklearn:3.")
@common_options
def push(
    options: Options,
    run_id: str,
    folder: Path | None,
    tags: tuple[str, ...],
    properties: tuple[str, ...],
    inputs: tuple[str, ...],
    **facts: str | None,
) -> None:
    """Register the run RUN_ID with the files in FOLDER, or without files.

    Done again it replaces what is said of the run, and adds files. Names that start with a dot are not sent.
    """
    body: dict[str, Any] = {
        "experiment_name": facts.pop("experiment"),
        **facts,
        "tags": assignments(tags, "--tag"),
        "properties": assignments(properties, "--property"),
        "inputs": [_input(text) for text in inputs],
    }
    body = {name: value for name, value in body.items() if value not in (None, {}, [])}
    with Api(options) as api:
        found = _pushed(api, options, run_id, folder, body)
    files = f"{len(found['files'])} file{'s' if len(found['files']) != 1 else ''}"
    output.show(options, found, f"Registered run {found['run_id']} ({files}, {output.size(found['size_bytes'])})")


def _input(text: str) -> dict[str, str]:
    match = _PURPOSE.fullmatch(text)
    if match is None:
        raise click.UsageError("--input must be [PURPOSE=]REF, not empty")
    return {"purpose": match["purpose"] or DEFAULT_PURPOSE, "reference": match["reference"]}


def _pushed(api: Api, options: Options, run_id: str, folder: Path | None, body: dict[str, Any]) -> dict[str, Any]:
    from shared.cli.manifest import collect_files
    from shared.cli.push import send_files

    sent: dict[str, str] = {}
    if folder is not None:
        files, skipped = collect_files(folder, folder.name if folder.is_file() else ".")
        if skipped:
            click.echo(f"Not sent, because hidden: {', '.join(skipped)}", err=True)
        upload_id, sent = send_files(api, options, files)
        body = {**body, "upload_id": upload_id, "files": sorted(files)}
    found: dict[str, Any] = api.call("PUT", f"runs/{segment(run_id)}", body=body).document
    received = {file["path"]: file["sha256"] for file in found["files"]}
    if wrong := sorted(path for path in sent if sent[path] != received.get(path)):
        raise CliError(f"run {run_id} was registered with other content than was sent: {', '.join(wrong)}")
    return found


@run.command("list")
@click.option("--experiment", help="Only of this experiment.")
@click.option("--tag", "tags", multiple=True, metavar="KEY[=VALUE]", help="Only with this tag; repeatable.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many [all].")
@common_options
def list_runs(options: Options, experiment: str | None, tags: tuple[str, ...], limit: int | None) -> None:
    """List the runs, the newest first."""
    wanted = ",".join(tag.replace(",", "\\,") for tag in tags)
    query = {"experiment": experiment, "tag": wanted, "sort": "-created"}
    with Api(options) as api:
        page = api.pages("runs", query, limit=limit)
    rows = [
        (i["run_id"], i["experiment_name"], i["status"], len(i["files"]), output.moment(i["created_at"]), i["tags"])
        for i in page["items"]
    ]
    headings = ("RUN", "EXPERIMENT", "STATUS", "FILES", "CREATED", "TAGS")
    output.show(options, page, output.table(headings, rows, empty="There are no runs."))


@run.command("show")
@click.argument("run_id")
@common_options
def show(options: Options, run_id: str) -> None:
    """Show one run."""
    with Api(options) as api:
        found = api.get(f"runs/{segment(run_id)}")
    output.show(options, found, _describe(found))


def _describe(found: dict[str, Any]) -> str:
    files = [f"{f['path']}  {output.size(f['size_bytes'])}  sha256:{f['sha256']}" for f in found["files"]]
    names = ("description", "tags", "properties", "environment")
    return output.fields(
        [
            ("run", found["run_id"]),
            ("experiment", found["experiment_name"]),
            ("status", found["status"]),
            ("started", output.moment(found["start_time"])),
            ("ended", output.moment(found["end_time"])),
            *((name, found[name]) for name in names),
            ("inputs", [f"{each['reference']} ({each['purpose']})" for each in found["inputs"]]),
            ("outputs", [f"{each['reference']} ({each['purpose']})" for each in found["outputs"]]),
            ("files", files),
            ("size", output.size(found["size_bytes"])),
            ("created", f"{output.moment(found['created_at'])} by {found['created_by']}"),
            ("modified", f"{output.moment(found['modified_at'])} by {found['modified_by']}"),
        ]
    )
