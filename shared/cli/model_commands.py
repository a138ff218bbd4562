"""`slipway model`: the group, with download and history."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from shared.cli import output
from shared.cli.api import Api, segment
from shared.cli.errors import CliError
from shared.cli.model_changes import COMMANDS as CHANGES
from shared.cli.model_diff import diff
from shared.cli.model_search import list_models
from shared.cli.model_show import show
from shared.cli.options import Options, common_options
from shared.cli.push_command import push
from shared.cli.references import model_reference


@click.group("model")
def model() -> None:
    """Push, search, show, change and download models."""


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
@click.argument("reference", metavar="NAME[:VERSION|@LABEL]")
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


for command in (push, list_models, show, diff, *CHANGES):
    model.add_command(command)
