"""`slipway data`: versions of data assets, their profiles and baseline sketches."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import click

from shared.cli import output
from shared.cli.api import Api, segment
from shared.cli.applying import applied
from shared.cli.errors import CliError, ExitCode, fault_line
from shared.cli.options import Options, common_options
from shared.cli.references import assignments, model_reference
from shared.cli.waiting import finished

if TYPE_CHECKING:
    from shared.cli.declared_folder import Sent

ENDED = ("Profiled", "Unprofiled", "Failed")
SHOWN_DIGEST = 12
SHOWN_FEATURES = 5
TYPES = ("uri_file", "uri_folder", "mltable")
_SCHEMA = "https://azuremlschemas.azureedge.net/latest/data.schema.json"


@click.group("data")
def data() -> None:
    """Data assets: versions that never change, each with a profile and a baseline sketch."""


@data.command("create")
@click.argument("name", required=False)
@click.argument("path", required=False)
@click.option("-f", "--file", "declared", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="A data.yml instead of NAME and PATH.")  # fmt: skip
@click.option(
    "--type",
    "type_",
    type=click.Choice(TYPES),
    help="What PATH is [a file, a folder, or with MLTable in it; of a URI by the end of its name].",
)
@click.option("--version", help="[the next number]")
@click.option("--description")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="Repeatable.")
@click.option("--no-wait", is_flag=True, help="Do not wait for the profile.")
@common_options
def create(options: Options, name: str | None, path: str | None, declared: Path | None, **given: Any) -> None:
    """Register a version of a data asset: NAME and PATH, a file, a folder or a URI, or -f data.yml. What is registered
    already is found again."""
    from shared.cli.declared_folder import gathered

    if (declared is None) is (name is None or path is None):
        raise click.UsageError("give either NAME and PATH, or -f data.yml")
    if declared is not None:
        root, sent = gathered(declared)
    else:
        assert name is not None
        assert path is not None
        root, sent = _composed(name, path, given)
    with Api(options) as api:
        outcome = _only(applied(api, options, root, sent, None))
        reference = f"{outcome['name']}:{outcome['version']}"
        found = api.get(data_path(reference)) if given["no_wait"] else _finished(api, reference)
    output.show(options, found, describe(found))
    if found["phase"] == "Failed":
        raise click.exceptions.Exit(int(ExitCode.REFUSED))


def _composed(name: str, path: str, given: dict[str, Any]) -> tuple[Path, Sent]:
    from shared.cli.declared_folder import Sent, composed

    file, local = f"{name}.data.yml", Path(path)
    if "://" in path:
        kind = "uri_file" if PurePosixPath(path.partition("?")[0].rpartition("/")[2]).suffix else "uri_folder"
        return Path.cwd(), Sent({file: json.dumps(_declaration(name, path, kind, given))}, paths=[file])
    if not local.exists():
        raise click.UsageError(f"there is no {path}: give a file, a folder or a URI")
    kind = "uri_file" if local.is_file() else "mltable" if (local / "MLTable").is_file() else "uri_folder"
    return composed(_declaration(name, local.resolve().name, kind, given), file, local)


def _declaration(name: str, path: str, kind: str, given: dict[str, Any]) -> dict[str, Any]:
    said = {key: given[key] for key in ("version", "description") if given[key]}
    tags = assignments(given["tags"], "--tag")
    return {
        "$schema": _SCHEMA,
        "name": name,
        "type": given["type_"] or kind,
        "path": path,
        **said,
        **({"tags": tags} if tags else {}),
    }


def _only(found: dict[str, Any]) -> dict[str, Any]:
    """The outcome of the one file. Raises CliError for one that was refused, and for one that declares no data."""
    outcome: dict[str, Any] = found["files"][0]
    if outcome["result"] == "refused":
        lines = "\n".join(f"  {fault_line(fault)}" for fault in outcome["faults"])
        raise CliError(f"{outcome['reason']}\n{lines}".rstrip(), ExitCode.REFUSED)
    if outcome["kind"] != "data":
        message = f"{outcome['path']} declares {outcome['kind'] or 'nothing'}"
        raise CliError(message, ExitCode.USAGE, remedy="slipway apply -f takes every kind")
    return outcome


@data.command("list")
@click.argument("name", required=False)
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many.")
@common_options
def list_(options: Options, name: str | None, limit: int) -> None:
    """List versions of data assets, newest first."""
    with Api(options) as api:
        page = api.pages(f"data/{segment(name)}/versions" if name else "data", limit=limit)
    rows = [
        (
            _name(one),
            one["type"],
            one["phase"],
            len(one["files"]),
            output.size(one["size_bytes"]),
            "" if one["rows"] is None else f"{one['rows']:,}",
            one["digest"][:SHOWN_DIGEST],
            output.moment(one["created_at"]),
        )
        for one in page["items"]
    ]
    headings = ("DATA", "TYPE", "PHASE", "FILES", "SIZE", "ROWS", "DIGEST", "CREATED")
    output.show(options, page, output.table(headings, rows, empty="There are no data assets."))


@data.command("show")
@click.argument("reference", metavar="NAME[:VERSION]")
@click.option("--wait", is_flag=True, help="Wait until it is profiled.")
@common_options
def show(options: Options, reference: str, wait: bool) -> None:
    """Show one version, the latest when none is named: its files, and what is known of each column."""
    with Api(options) as api:
        found = _finished(api, reference) if wait else api.get(data_path(reference))
        profiled = found["phase"] == "Profiled"
        profile = api.get(f"{data_path(_name(found))}/profile")["profile"] if profiled else None
    text = describe(found) + (f"\n\n{_columns(profile)}" if profile else "")
    output.show(options, {"data": found, "profile": profile}, text)


@data.command("profile")
@click.argument("reference", metavar="NAME[:VERSION]")
@common_options
def profile_(options: Options, reference: str) -> None:
    """Read the rows of a version again, and wait for what comes out."""
    with Api(options) as api:
        asked = api.call("POST", f"{data_path(reference)}/profile").document
        found = _finished(api, _name(asked))
    output.show(options, found, describe(found))
    if found["phase"] != "Profiled":
        raise click.exceptions.Exit(int(ExitCode.REFUSED))


def data_path(reference: str) -> str:
    """The REST path of NAME[:VERSION], below /api/."""
    name, version = model_reference(reference)
    return f"data/{segment(name)}/versions/{segment(version)}"


def _finished(api: Api, reference: str) -> dict[str, Any]:
    return finished(api, data_path(reference), reference, ENDED)


def _name(one: dict[str, Any]) -> str:
    return f"{one['name']}:{one['version']}"


def describe(one: dict[str, Any]) -> str:
    """A version for people; what it does not have is left out."""
    many = f"{len(one['files'])} file{'' if len(one['files']) == 1 else 's'}, {output.size(one['size_bytes'])}"
    return output.fields(
        [
            ("data", _name(one)),
            ("type", one["type"]),
            ("path", one["path"]),
            ("phase", one["phase"]),
            ("reason", one["reason"]),
            ("archived", "yes, hidden from lists" if one["archived"] else None),
            ("description", one["description"]),
            ("tags", one["tags"]),
            ("digest", one["digest"]),
            ("files", many),
            ("copied", output.moment(one["fetched_at"]) if one["fetched_at"] else None),
            ("rows", f"{one['rows']:,}" if one["rows"] is not None else None),
            ("columns", len(one["columns"]) or None),
            ("sketch", output.size(one["sketch_bytes"]) if one["sketch_bytes"] else None),
            ("importance", [_importance(each) for each in one["importances"]] or None),
            ("log", one["log_tail"] if one["phase"] == "Failed" else None),
            ("used by", one["users"]),
            ("created", f"{output.moment(one['created_at'])} by {one['created_by']}"),
        ]
    )


def _importance(one: dict[str, Any]) -> str:
    """The features that matter most, with their share of all."""
    weights, total = one["weights"], sum(one["weights"].values()) or 1.0
    most = sorted(weights, key=lambda name: (-weights[name], name))
    shown = ", ".join(f"{name} {weights[name] / total:.0%}" for name in most[:SHOWN_FEATURES])
    more = f" and {len(most) - SHOWN_FEATURES} more" if len(most) > SHOWN_FEATURES else ""
    return f"for {one['target']}: {shown}{more}"


def _columns(profile: dict[str, Any]) -> str:
    rows = [
        (
            one["columnName"],
            one["type"],
            f"{one['percentMissing']:.1%}",
            one.get("uniqueValues", ""),
            _number(one.get("min")),
            _number(one.get("quantiles", {}).get("p50")),
            _number(one.get("max")),
            _number(one.get("moments", {}).get("mean")),
            _number(one.get("moments", {}).get("standardDeviation")),
            ", ".join(f"{each['value']} ({each['count']})" for each in one.get("valueCounts", [])[:3]),
        )
        for one in profile["columns"]
    ]
    headings = ("COLUMN", "TYPE", "MISSING", "UNIQUE", "MIN", "MEDIAN", "MAX", "MEAN", "STD", "MOST FREQUENT")
    return output.table(headings, rows, empty="It has no columns.")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
