"""`slipway model list`: models or versions that match every condition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from shared.cli import output
from shared.cli.api import Api, segment
from shared.cli.options import F, Options, common_options
from shared.cli.references import time_since

SORTS = ("name", "-name", "created", "-created")
_FIELDS = ("framework", "run-id", "experiment", "dataset", "label", "type", "stage", "text")


def _filters(function: F) -> F:
    """Adds the options of a search; each is a parameter of the REST query of the same name."""
    repeatable: dict[str, Any] = {"multiple": True, "metavar": "KEY[=VALUE]"}
    options: list[Callable[[F], F]] = [
        click.option("--tag", help="Has this tag; repeatable, all must hold.", **repeatable),
        click.option("--property", help="Has this property; repeatable, all must hold.", **repeatable),
        *(click.option(f"--{field}", help=f"Only with this {field.replace('-', ' ')}.") for field in _FIELDS),
        click.option("--created-after", metavar="TIME", help="A time, or 15m, 2h, 7d ago."),
        click.option("--created-before", metavar="TIME", help="A time, or 15m, 2h, 7d ago."),
        click.option("--sort", type=click.Choice(SORTS), help="The order; `-`: descending."),
        click.option("--archived", is_flag=True, help="Also what is archived."),
        click.option("--limit", type=click.IntRange(min=1), help="At most so many [all]."),
    ]
    for add in reversed(options):
        function = add(function)
    return function


@click.command("list")
@click.argument("name", required=False)
@click.option("--versions", is_flag=True, help="The versions of all models instead of the models.")
@_filters
@common_options
def list_models(options: Options, name: str | None, versions: bool, limit: int | None, **given: Any) -> None:
    """List the models, or the versions of NAME, newest first. Every condition must hold."""
    path = f"models/{segment(name)}/versions" if name is not None else "model-versions" if versions else "models"
    with Api(options) as api:
        page = api.pages(path, search_query(given), limit=limit)
    output.show(options, page, _models(page["items"]) if path == "models" else _versions(page["items"]))


def search_query(given: dict[str, Any]) -> dict[str, Any]:
    """The REST query for the options of a search; commas that are meant are escaped."""
    query = dict(given)
    for name in ("tag", "property"):
        query[name] = ",".join(item.replace(",", "\\,") for item in query[name])
    for name in ("created_after", "created_before"):
        query[name] = time_since(query[name])
    query["include_archived"] = "true" if query.pop("archived") else None
    return query


def _models(items: list[dict[str, Any]]) -> str:
    rows = [
        (
            *(i["name"], i["latest_version"], i.get("labels"), output.moment(i["modified_at"])),
            *(i["tags"], i["description"]),
        )
        for i in items
    ]
    headings = ("NAME", "LATEST", "LABELS", "MODIFIED", "TAGS", "DESCRIPTION")
    return output.table(headings, rows, empty="There are no models.")


def _versions(items: list[dict[str, Any]]) -> str:
    rows = [
        (
            *(i["id"], ", ".join(i.get("labels", ())), i["type"], len(i["files"]), output.size(i["size_bytes"])),
            *(output.moment(i["created_at"]), i["created_by"], i["tags"]),
        )
        for i in items
    ]
    headings = ("ID", "LABELS", "TYPE", "FILES", "SIZE", "CREATED", "BY", "TAGS")
    return output.table(headings, rows, empty="There are no versions.")
