"""`slipway model`: push, list, show, download, history."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from shared.cli import output
from shared.cli.api import Api, segment
from shared.cli.errors import CliError
from shared.cli.manifest import Overrides, read_push
from shared.cli.options import Options, common_options
from shared.cli.references import assignments, model_reference

TYPES = ("custom_model", "mlflow_model", "triton_model")


@click.group("model")
def model() -> None:
    """Push, list, show and download models."""


@model.command("push")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--name", help="The model's name; wins over the manifest's.")
@click.option("--description", help="Free text; wins over the manifest's.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="Added to the manifest's tags; repeatable.")
@click.option("--type", "type_", type=click.Choice(TYPES), help="For a model without a manifest [custom_model].")
@common_options
def push(
    options: Options, path: Path, name: str | None, description: str | None, tags: tuple[str, ...], type_: str | None
) -> None:
    """Upload a model and register it as the next version.

    PATH is a model.yml (Azure ML's CLI v2 format), a folder with one, or a bare model file or folder, which needs
    --name. Files and folders whose names start with a dot are not sent.
    """
    from shared.cli.push import push_model

    given = Overrides(name, description, assignments(tags, "--tag"), type_)
    what = read_push(path, given)
    if what.skipped:
        click.echo(f"Not sent, because hidden: {', '.join(what.skipped)}", err=True)
    with Api(options) as api:
        version = push_model(api, options, what)
    files = f"{len(version['files'])} file{'s' if len(version['files']) != 1 else ''}"
    output.show(options, version, f"Registered {version['id']} ({files}, {output.size(version['size_bytes'])})")


@model.command("list")
@click.argument("name", required=False)
@click.option("--limit", type=click.IntRange(min=1), help="At most so many [all].")
@common_options
def list_models(options: Options, name: str | None, limit: int | None) -> None:
    """List the models, or the versions of NAME, newest first."""
    with Api(options) as api:
        if name is None:
            page = api.pages("models", limit=limit)
        else:
            page = api.pages(f"models/{segment(name)}/versions", limit=limit)
    output.show(options, page, _models(page["items"]) if name is None else _versions(page["items"]))


def _models(items: list[dict[str, Any]]) -> str:
    rows = [
        (i["name"], i["latest_version"], output.moment(i["modified_at"]), i["tags"], i["description"]) for i in items
    ]
    return output.table(("NAME", "LATEST", "MODIFIED", "TAGS", "DESCRIPTION"), rows, empty="There are no models.")


def _versions(items: list[dict[str, Any]]) -> str:
    rows = [
        (
            *(i["id"], i["type"], len(i["files"]), output.size(i["size_bytes"])),
            *(output.moment(i["created_at"]), i["created_by"], i["tags"]),
        )
        for i in items
    ]
    headings = ("ID", "TYPE", "FILES", "SIZE", "CREATED", "BY", "TAGS")
    return output.table(headings, rows, empty="There are no versions.")


@model.command("show")
@click.argument("reference", metavar="NAME[:VERSION|@latest]")
@common_options
def show(options: Options, reference: str) -> None:
    """Show one version, the latest when none is named."""
    name, version = model_reference(reference)
    with Api(options) as api:
        found = api.get(f"models/{segment(name)}/versions/{segment(version)}")
    output.show(options, found, describe(found))


def describe(version: dict[str, Any]) -> str:
    """A version for people."""
    files = [f"{f['path']}  {output.size(f['size_bytes'])}  sha256:{f['sha256']}" for f in version["files"]]
    names = ("type", "description", "tags", "properties", "stage", "path")
    return output.fields(
        [
            ("id", version["id"]),
            *((name, version.get(name)) for name in names),
            ("files", files),
            ("size", output.size(version["size_bytes"])),
            ("upload", version["upload_id"]),
            ("created", f"{output.moment(version['created_at'])} by {version['created_by']}"),
            ("modified", f"{output.moment(version['modified_at'])} by {version['modified_by']}"),
        ]
    )


@model.command("download")
@click.argument("reference", metavar="NAME[:VERSION|@LABEL]")
@click.argument("folder", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option("--output-dir", type=click.Path(file_okay=False, path_type=Path), help="The same as FOLDER.")
@click.option("--file", "only", metavar="PATH", help="Only this file of the version.")
@click.option("--parallel", type=click.IntRange(1, 32), default=4, show_default=True, help="At most so many at once.")
@click.option("--force", is_flag=True, help="Replace other files that are there.")
@common_options
def download(
    options: Options,
    reference: str,
    folder: Path | None,
    output_dir: Path | None,
    only: str | None,
    parallel: int,
    force: bool,
) -> None:
    """Download the files of a version into FOLDER [./NAME-VERSION]; the SHA-256 of each is verified.

    A download that was broken off goes on where it stopped when the same command is given again.
    """
    from shared.cli.download import download_version

    if folder is not None and output_dir is not None:
        raise click.UsageError("give FOLDER or --output-dir, not both")
    name, version = model_reference(reference)
    with Api(options) as api:
        found = api.get(f"models/{segment(name)}/versions/{segment(version)}")
        if found["name"] != name or not re.fullmatch("[a-zA-Z0-9][a-zA-Z0-9._-]{0,29}", str(found["version"])):
            raise CliError("the server answered with something else than the model that was asked for")
        into = folder or output_dir or Path(f"{name}-{found['version']}")
        targets = download_version(api, options, found, into, force=force, only=only, parallel=parallel)
    lines = [f"{target}  {output.size(f['size_bytes'])}  sha256:{f['sha256']}" for f, target in targets]
    output.show(options, found, "\n".join([*lines, f"Downloaded {found['id']}, every SHA-256 verified"]))


@model.command("history")
@click.argument("reference", metavar="NAME[:VERSION|@latest]")
@common_options
def history(options: Options, reference: str) -> None:
    """Show every change of a version: when, by whom, caused by what."""
    name, version = model_reference(reference)
    with Api(options) as api:
        page = api.pages(f"models/{segment(name)}/versions/{segment(version)}/history")
    rows = [
        (output.moment(i["time"]), i["action"], i["revision"], i["cause"]["actor"], _cause(i["cause"]))
        for i in page["items"]
    ]
    headings = ("TIME", "ACTION", "REVISION", "BY", "CAUSE")
    output.show(options, page, output.table(headings, rows, empty="There is no history."))


def _cause(cause: dict[str, Any]) -> str:
    return f"{cause['type']} {cause['id']}"
