"""The order of every listing as one string per record, the same in every adapter of ResourceStore.

One indexed string makes each listing, and each continuation of it, one range of one index: in SQLite and in Cosmos DB.
Its parts are separated by a space, which sorts before every character of a name, so `a` comes before all of `a-b`.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.errors import Invalid
from shared.events.wire import format_time
from shared.ports import ANY_KIND, RecordQuery, ResourceQuery
from shared.resources.base import HistoryRecord, Resource, ResourceKey
from shared.resources.events import RecordedEvent
from shared.resources.search import reference_term, references_of, terms_of

MAX_LIMIT = 1000
MAX_TERMS = 10


@dataclass(frozen=True, slots=True)
class KeyRange:
    """The sort keys strictly between `low` and `high`."""

    low: str
    high: str

    def after(self, sort_key: str | None, *, descending: bool = False) -> KeyRange:
        """What is left of the range after `sort_key`. Raises Invalid when that is not in the range."""
        if sort_key is None:
            return self
        if not self.low < sort_key < self.high:
            raise Invalid("the continuation belongs to another listing", remedy="start again without it")
        return KeyRange(self.low, sort_key) if descending else KeyRange(sort_key, self.high)


def version_sort_key(version: str | None) -> str:
    """Text that orders versions: no version, then integers as numbers, then all others as text."""
    if version is None:
        return "-"
    if version.isascii() and version.isdecimal():
        digits = version.lstrip("0") or "0"
        return f"0{len(digits):03d}{digits}" + ("" if digits == version else f" {version}")
    return f"1{version}"


def listing_of(key: ResourceKey) -> str:
    """The listing that a resource is in: the heads of its kind, or the versions."""
    return f"{key.kind}/{'heads' if key.version is None else 'versions'}"


def resource_sort_key(key: ResourceKey) -> str:
    """Orders the resources of a kind by name, then by version; heads and versions apart."""
    return f"{listing_of(key)} {key.name} {version_sort_key(key.version)}"


def created_key(resource: Resource) -> str:
    """Orders the resources of a kind by the time of their creation, then as resource_sort_key."""
    return f"{listing_of(resource.key)} {format_time(resource.created_at)} {resource_sort_key(resource.key)}"


def index_terms(resource: Resource) -> list[str]:
    """Every text that the resource is indexed by: terms within its listing, references across all kinds."""
    listing = listing_of(resource.key)
    within = [f"{listing} {term}" for term in terms_of(resource)]
    if within:
        within.append(f"{listing} name:{resource.name}")  # for one name in the order of creation
    return within + [f"{ANY_KIND} {reference_term(target)}" for target in references_of(resource)]


def query_terms(query: ResourceQuery) -> list[str]:
    """The index terms of a query. Raises Invalid for more than a store takes."""
    if len(query.terms) > MAX_TERMS:
        raise Invalid(f"a search for {len(query.terms)} things at once is not possible", remedy=f"give {MAX_TERMS}")
    scope = ANY_KIND if query.kind == ANY_KIND else f"{query.kind}/{query.versions}"
    named = (f"name:{query.name}",) if query.name is not None and query.sort == "created" else ()
    return [f"{scope} {term}" for term in dict.fromkeys((*query.terms, *named))]


def event_sort_key(record: RecordedEvent, partition: str) -> str:
    """Orders events by time, then by id; the partition only makes it unique."""
    return f"event {format_time(record.event.time)} {record.event.id} {partition}"


def history_sort_key(record: HistoryRecord) -> str:
    """Orders history records by time, then by resource and revision."""
    return f"history {format_time(record.time)} {record.key} {record.revision:08d}"


def resource_range(query: ResourceQuery) -> KeyRange:
    """Where the resources of the query are in its order, `after` left aside. Raises Invalid for a limit out of bounds,
    and for conditions that no store takes together."""
    _check_limit(query.limit)
    if query.kind == ANY_KIND:
        if query.name or query.created_from or query.created_before or query.sort == "created":
            raise Invalid(
                "a listing of all kinds has neither name nor times", remedy="leave them out, or name the kind"
            )
        return KeyRange("", "\U0010ffff")
    prefix = f"{query.kind}/{query.versions} "
    if query.sort == "created":
        return created_range(query) or _starting_with(prefix)
    return _starting_with(prefix if query.name is None else f"{prefix}{query.name} ")


def created_range(query: ResourceQuery) -> KeyRange | None:
    """The created_keys of the times that the query asks for; None when it asks for none."""
    if query.created_from is None and query.created_before is None:
        return None
    prefix = f"{query.kind}/{query.versions} "
    low = prefix + (format_time(query.created_from) if query.created_from else "")
    high = prefix + format_time(query.created_before) if query.created_before else prefix[:-1] + "!"
    return KeyRange(low, high)


def event_range(query: RecordQuery) -> KeyRange:
    """Where the events of the query are, `after` left aside. Raises Invalid for a wrong limit or key."""
    return _record_range("event ", query)


def history_range(query: RecordQuery) -> KeyRange:
    """Where the history records of the query are, `after` left aside. Raises Invalid when it asks for event fields."""
    if query.types or query.subject_prefix:
        raise Invalid("history has neither types nor subjects", remedy="ask for events, or leave them out")
    return _record_range("history ", query)


def record_partition(query: RecordQuery) -> str | None:
    """The one partition that holds what the query asks for, or None. Raises Invalid for a key that is none."""
    if query.partition is not None or query.key is None:
        return query.partition
    try:
        return ResourceKey.parse(query.key).partition
    except ValueError as error:
        raise Invalid(str(error)) from error


def _record_range(prefix: str, query: RecordQuery) -> KeyRange:
    _check_limit(query.limit)
    record_partition(query)  # a key that is none is refused by every adapter
    whole = _starting_with(prefix)
    if query.since is None:
        return whole
    return KeyRange(prefix + format_time(query.since), whole.high)


def _starting_with(prefix: str) -> KeyRange:
    """`prefix` ends with a space; '!' is the next character."""
    return KeyRange(prefix, prefix[:-1] + "!")


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MAX_LIMIT:
        raise Invalid(f"a page of {limit} is not possible", remedy=f"ask for 1 to {MAX_LIMIT}")
