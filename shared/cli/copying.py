"""`slipway model copy`: a version from one Slipway to another, through this process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from shared.cli import output
from shared.cli.api import Api, raise_for_status, segment
from shared.cli.errors import CliError, ExitCode
from shared.cli.options import Options, common_options
from shared.cli.references import model_reference
from shared.cli.relay import FACTS, Relayed, RelayedFile, relay
from shared.cli.transfer import CHUNK_BYTES, where_answered


@click.command("copy")
@click.argument("reference", metavar="NAME[:VERSION|@LABEL|:*]")
@click.option("--to", "to_url", required=True, metavar="URL", help="The Slipway to copy to.")
@click.option("--to-key", envvar="SLIPWAY_TO_KEY", help="Its function key; better SLIPWAY_TO_KEY.")
@click.option("--to-data-dir", type=click.Path(path_type=Path), help="Its data folder, when it is on this machine.")
@click.option("--name", help="The model's name there [the same].")
@click.option("--keep-version", is_flag=True, help="Give it the same version there [the next number].")
@click.option("--labels", is_flag=True, help="Set the version's labels there, too.")
@common_options
def copy(
    options: Options,
    reference: str,
    to_url: str,
    to_key: str | None,
    to_data_dir: Path | None,
    name: str | None,
    keep_version: bool,
    labels: bool,
) -> None:
    """Copy a version, or with `:*` all of them, to another Slipway.

    The files pass through this process and are not kept here; their SHA-256 is compared on both sides. Type, framework,
    flavors, tags, properties, data sets, run and description come along, and where it came from is recorded. What was
    copied before is found done.
    """
    there = replace(options, url=to_url, key=to_key, auth="key", data_dir=str(to_data_dir or options.data_dir))
    with Api(options) as source, Api(there) as target:
        if source.connection.base_url == target.connection.base_url and name is None:
            raise click.UsageError("--to names the Slipway that it is copied from: give another --name")
        done = [
            _copied(options, source, target, version, name or version["name"], keep_version, labels)
            for version in _versions(source, reference)
        ]
    lines = [f"{'Was there already' if one.known else 'Copied'}: {one.version['id']} ({came})" for one, came in done]
    output.show(options, {"items": [one.version for one, _ in done]}, "\n".join(lines))


def _versions(source: Api, reference: str) -> list[dict[str, Any]]:
    """The versions to copy, oldest first."""
    if reference.endswith(":*"):
        name, _ = model_reference(reference.removesuffix(":*"))
        query = {"sort": "created", "include_archived": "true"}
        items: list[dict[str, Any]] = source.pages(f"models/{segment(name)}/versions", query)["items"]
        return items
    name, version = model_reference(reference)
    return [source.get(f"models/{segment(name)}/versions/{segment(version)}")]


def _copied(
    options: Options, source: Api, target: Api, version: Mapping[str, Any], name: str, keep: bool, labels: bool
) -> tuple[Relayed, str]:
    """The copy, and what it is one of."""
    origin = {
        "system": "slipway",
        "id": f"{source.connection.base_url} {version['id']}",
        "created_at": version["created_at"],
        "modified_at": version["modified_at"],
    }
    declaration = {fact: version[fact] for fact in FACTS if version.get(fact) is not None}
    declaration |= {"name": name, "path": version["path"]}
    if keep:
        declaration["version"] = version["version"]
    if parent := _parent_there(target, version):
        declaration["parent"] = parent
    files = [
        RelayedFile(file["path"], file["size_bytes"], file["sha256"], partial(_content, source, version, file["path"]))
        for file in version["files"]
    ]
    key = ("slipway", origin["id"], str(version["created_at"]), name, str(keep))
    done = relay(target, options, key, declaration, origin, files)
    for label in version.get("labels") or () if labels else ():
        path = f"models/{segment(name)}/labels/{segment(label)}"
        target.call("PUT", path, body={"version": done.version["version"]})
    return done, version["id"]


def _parent_there(target: Api, version: Mapping[str, Any]) -> str | None:
    """The parent, if the target has a version of that name; else it cannot be named there."""
    parent = version.get("parent_model_id")
    if not parent:
        return None
    name, _, number = str(parent).rpartition(":")
    try:
        target.get(f"models/{segment(name)}/versions/{segment(number)}")
    except CliError as error:
        if error.exit_code != ExitCode.NOT_FOUND:
            raise
        click.echo(f"{version['id']}: its parent {parent} is not at the target and is left out", err=True)
        return None
    return str(parent)


@contextmanager
def _content(source: Api, version: Mapping[str, Any], path: str) -> Iterator[Iterator[bytes]]:
    base = f"models/{segment(version['name'])}/versions/{segment(version['version'])}/files"
    location = source.call("GET", f"{base}/{quote(path, safe='/')}").headers.get("location")
    if not location:
        raise CliError(f"the server did not say where to get {path}")
    url = source.absolute(location)
    with source.client_for(url).stream("GET", url, headers={"Accept-Encoding": "identity"}) as response:
        if response.status_code != 200:
            response.read()
            raise_for_status(response, where_answered("GET", response))
            raise CliError(f"{where_answered('GET', response)}, not with the file")
        yield response.iter_raw(CHUNK_BYTES)
