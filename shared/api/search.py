"""The query of a search, as REST takes it, as the store's: every condition must hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Literal

from shared.api.message import ApiRequest
from shared.errors import BadRequest
from shared.ports import ResourceQuery
from shared.resources.model import KIND
from shared.resources.run import KIND as RUN
from shared.resources.search import ACTIVE, field_term, property_term, tag_term, word_term, words_of

# Parameters with lists of values, separated by commas (a comma that is meant is written `\\,`), as in Azure ML.
_LISTS: dict[str, Callable[[str, str | None], str]] = {"tag": tag_term, "property": property_term}
_FIELDS = {
    "framework": "framework",
    "run_id": "run",
    "experiment": "experiment",
    "dataset": "dataset",
    "label": "label",
    "type": "type",
    "stage": "stage",
}
SORTS: dict[str, tuple[Literal["name", "created"], bool]] = {
    "name": ("name", False),
    "-name": ("name", True),
    "created": ("created", False),
    "-created": ("created", True),
}
SEARCH = (
    *("tag", "property", "framework", "run_id", "experiment", "dataset", "label", "type", "stage", "text"),
    *("created_after", "created_before", "sort", "include_archived", "limit", "continuation"),
)

RUN_SEARCH = (
    *("tag", "property", "experiment", "dataset", "text"),
    *("created_after", "created_before", "sort", "limit", "continuation"),
)


def model_query(
    request: ApiRequest, listing: Literal["heads", "versions"], *, name: str | None = None, sort: str = "name"
) -> ResourceQuery:
    """The query of a request for models or versions. Raises BadRequest for a parameter that is not understood."""
    return _query(request, KIND, listing, name, sort)


def run_query(request: ApiRequest) -> ResourceQuery:
    """The query of a request for runs. Raises BadRequest for a parameter that is not understood."""
    return _query(request, RUN, "heads", None, "name")


def _query(
    request: ApiRequest, kind: str, listing: Literal["heads", "versions"], name: str | None, sort: str
) -> ResourceQuery:
    by, descending = _sort(request, sort)
    return ResourceQuery(
        kind,
        name=name,
        versions=listing,
        terms=tuple(dict.fromkeys(_terms(request))),
        created_from=time_of(request, "created_after"),
        created_before=time_of(request, "created_before"),
        sort=by,
        descending=descending,
        after=request.continuation,
        limit=request.limit(),
    )


def time_of(request: ApiRequest, name: str) -> datetime | None:
    """The time in a parameter, in UTC; None when it is not given. Raises BadRequest."""
    text = request.query.get(name)
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text.replace(" ", "+"))  # a "+" in a query is a space to HTML forms
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadRequest(f"{name} is {text[:40]!r}", remedy="give a time such as 2026-11-23T12:00:00Z") from error


def _terms(request: ApiRequest) -> Iterator[str]:
    if not _flag(request, "include_archived"):
        yield ACTIVE
    for parameter, make in _LISTS.items():
        for item in _items(request.query.get(parameter, "")):
            key, equals, value = item.partition("=")
            yield make(key, value if equals else None)
    for parameter, field in _FIELDS.items():
        if wanted := request.query.get(parameter):
            yield field_term(field, wanted)
    for word in words_of(request.query.get("text", "")):
        yield word_term(word)


def _items(text: str) -> list[str]:
    parts = re.split(r"(?<!\\),", text)
    return [part.replace("\\,", ",") for part in parts if part]


def _flag(request: ApiRequest, name: str) -> bool:
    text = request.query.get(name, "false").lower()
    if text not in ("true", "false", ""):
        raise BadRequest(f"{name} is {text[:20]!r}", remedy="give true or false")
    return text == "true"


def _sort(request: ApiRequest, default: str) -> tuple[Literal["name", "created"], bool]:
    asked = request.query.get("sort") or default
    if asked not in SORTS:
        raise BadRequest(f"sort is {asked[:20]!r}", remedy=f"give one of {', '.join(SORTS)}")
    return SORTS[asked]
