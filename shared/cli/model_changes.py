"""`slipway model` tag, property, label, archive, restore, delete: what changes of a model that is registered."""

from __future__ import annotations

import sys
from typing import Any

import click

from shared.cli import output
from shared.cli.api import Api, segment
from shared.cli.errors import CliError
from shared.cli.options import Options, common_options
from shared.cli.references import assignments, model_reference, optional_version

ATTEMPTS = 5  # of a change that somebody else's change came before
VERSION = "NAME[:VERSION|@LABEL]"


def version_path(name: str, version: str) -> str:
    """The path of a version below /api/."""
    return f"models/{segment(name)}/versions/{segment(version)}"


@click.command("tag")
@click.argument("reference", metavar=VERSION)
@click.argument("changes", metavar="KEY=VALUE|KEY-...", nargs=-1, required=True)
@common_options
def tag(options: Options, reference: str, changes: tuple[str, ...]) -> None:
    """Set tags with KEY=VALUE, remove them with KEY-."""
    removed = [change[:-1] for change in changes if "=" not in change and len(change) > 1 and change.endswith("-")]
    pairs = tuple(change for change in changes if change[:-1] not in removed or "=" in change)
    tags: dict[str, str | None] = {**assignments(pairs, "a tag"), **dict.fromkeys(removed)}
    version = _patch(options, reference, {"tags": tags})
    output.show(options, version, f"Tagged {version['id']}")


@click.command("property")
@click.argument("reference", metavar=VERSION)
@click.argument("pairs", metavar="KEY=VALUE...", nargs=-1, required=True)
@common_options
def add_property(options: Options, reference: str, pairs: tuple[str, ...]) -> None:
    """Add properties; one that is there never changes."""
    version = _patch(options, reference, {"properties": assignments(pairs, "a property")})
    output.show(options, version, f"Added to {version['id']}")


def _patch(options: Options, reference: str, patch: dict[str, Any]) -> dict[str, Any]:
    """The version after the change, which is made again from a fresh read when somebody else's came before it."""
    name, version = model_reference(reference)
    with Api(options) as api:
        for attempt in range(1, ATTEMPTS + 1):
            found = api.call("GET", version_path(name, version))
            path = version_path(name, found.document["version"])
            try:
                headers = {"If-Match": found.headers["etag"]}
                return dict(api.call("PATCH", path, body=patch, headers=headers).document)
            except CliError as error:
                if error.status != 412 or attempt == ATTEMPTS:
                    raise
    raise AssertionError("the loop returns or raises")


@click.command("label")
@click.argument("reference", metavar=VERSION)
@click.argument("label", metavar="LABEL|LABEL-")
@click.option("--expect", metavar="VERSION", help="Only if this version has the label now; '': if none has.")
@common_options
def label(options: Options, reference: str, label: str, expect: str | None) -> None:
    """Let LABEL name a version, taking it from the one that had it; LABEL- takes it away."""
    name, version = model_reference(reference)
    path = f"models/{segment(name)}/labels/{segment(label.removesuffix('-'))}"
    with Api(options) as api:
        if label.endswith("-"):
            if expect is not None:
                raise click.UsageError("--expect goes with setting a label, not with removing one")
            api.call("DELETE", path)
            output.show(options, None, f"Removed {label[:-1]} from {name}")
            return
        found = api.call("PUT", path, body={"version": version, "expected_version": expect}).document
    output.show(options, found, f"{name}@{label} is {found['id']}")


def _archive(options: Options, reference: str, action: str, done: str) -> None:
    name, version = optional_version(reference)
    path = f"models/{segment(name)}" if version is None else version_path(name, version)
    with Api(options) as api:
        found = api.call("POST", f"{path}/{action}").document
    output.show(options, found, f"{done} {found.get('id', name)}")


@click.command("archive")
@click.argument("reference", metavar=VERSION)
@common_options
def archive(options: Options, reference: str) -> None:
    """Hide a model, or one version of it, from lists and from `latest`."""
    _archive(options, reference, "archive", "Archived")


@click.command("restore")
@click.argument("reference", metavar=VERSION)
@common_options
def restore(options: Options, reference: str) -> None:
    """Show an archived model or version again."""
    _archive(options, reference, "restore", "Restored")


@click.command("delete")
@click.argument("reference", metavar="NAME:VERSION")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@common_options
def delete(options: Options, reference: str, yes: bool) -> None:
    """Delete a version for good. Refused while anything uses it; its number is never given again."""
    name, version = optional_version(reference)
    if version is None:
        raise click.UsageError(f"say which version of {name} is to be deleted: {name}:VERSION")
    with Api(options) as api:
        if not yes:
            if not sys.stdin.isatty():
                raise click.UsageError("deleting needs --yes where nobody can be asked")
            click.confirm(f"Delete {reference} for good?", abort=True)
        api.call("DELETE", version_path(name, version))
    output.show(options, None, f"Deleted {reference}")


COMMANDS = (tag, add_property, label, archive, restore, delete)
