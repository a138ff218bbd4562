"""The queries on the Cosmos DB container. Everything a caller gives is a parameter, never a part of the text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from shared.adapters import sort_keys
from shared.adapters.sort_keys import KeyRange
from shared.events.wire import format_time
from shared.ports import ANY_KIND, RecordQuery, ResourceQuery


@dataclass(slots=True)
class SqlQuery:
    """A query for the documents with a key in a range, in its order. Grows by conditions."""

    key: str  # the property that is ordered by
    descending: bool = False
    conditions: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)

    def where(self, condition: str, **values: Any) -> None:
        """One more condition that must hold, and the values of its parameters."""
        self.conditions.append(condition)
        self.values.update(values)

    @property
    def text(self) -> str:
        """The query's text."""
        order = "DESC" if self.descending else "ASC"
        return f"SELECT * FROM c WHERE {' AND '.join(self.conditions)} ORDER BY c.{self.key} {order}"  # noqa: S608

    @property
    def parameters(self) -> list[dict[str, Any]]:
        """The parameters as the SDK takes them."""
        return [{"name": f"@{name}", "value": value} for name, value in self.values.items()]


def in_range(key: str, span: KeyRange, *, descending: bool = False) -> SqlQuery:
    """All documents with a `key` in the range."""
    query = SqlQuery(key, descending)
    query.where(f"c.{key} > @low", low=span.low)
    query.where(f"c.{key} < @high", high=span.high)
    return query


def resources_query(query: ResourceQuery, span: KeyRange) -> SqlQuery:
    """The resources of the query within `span`, which is in the order that the query asks for."""
    if query.unfinished_before is not None:
        sql = in_range("unfinished_key", span, descending=query.descending)
        sql.where("c.due_at <= @due", due=format_time(query.unfinished_before))
    else:
        key = "created_key" if query.sort == "created" else "sort_key"
        sql = in_range(key, span, descending=query.descending)
    for index, term in enumerate(sort_keys.query_terms(query)):
        sql.where(f"ARRAY_CONTAINS(c.terms, @term{index})", **{f"term{index}": term})
    if query.kind == ANY_KIND:
        sql.where("c.doc_type = @doc_type", doc_type="resource")
    times = sort_keys.created_range(query)
    if times is not None and query.sort != "created":
        sql.where("c.created_key >= @from", **{"from": times.low})
        sql.where("c.created_key < @before", before=times.high)
    return sql


def records_query(query: RecordQuery, span: KeyRange) -> SqlQuery:
    """The events or history records of the query within `span`."""
    sql = in_range("sort_key", span)
    if query.key is not None:
        sql.where("c.resource = @resource", resource=query.key)
    if query.types:
        types = {f"type{index}": type_ for index, type_ in enumerate(query.types)}
        sql.where(f"c.event_type IN ({', '.join(f'@{name}' for name in types)})", **types)
    if query.subject_prefix:
        sql.where("STARTSWITH(c.subject, @subject_prefix)", subject_prefix=query.subject_prefix)
    return sql


def owed_query(before: str) -> SqlQuery:
    """The events that are owed and from before that time."""
    return in_range("owed_key", KeyRange("event ", f"event {before}"))
