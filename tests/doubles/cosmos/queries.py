"""Queries of documents: served where one partition (or one physical range) is asked, else planned for the client.

A query over all partitions that orders is answered with 400, substatus 1004; the client then asks for the plan, sends
the rewritten query to each physical range and merges. Source: azure-cosmos, _execution_context.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.doubles.cosmos.containers import RANGES, Container, Document
from tests.doubles.cosmos.errors import bad_request
from tests.doubles.cosmos.sql import Query, parse
from tests.doubles.cosmos.values import UNDEFINED, value_at

NOT_SERVABLE = 1004
DEFAULT_PAGE = 100
MAX_PAGE = 1000
_RANKS = {"Undefined": 0, "NoneType": 1, "bool": 2, "int": 3, "float": 3, "str": 4}


@dataclass(frozen=True, slots=True)
class Answer:
    """A page of results."""

    rows: list[Any]
    continuation: str | None


def plan(container: Container, request: Any, headers: Mapping[str, str]) -> Document:
    """The query plan. Raises CosmosError 400 for a query this double cannot parse or the client cannot execute."""
    query = _parsed(request)
    _check_index(container, query)
    if query.order_by and "OrderBy" not in headers.get("x-ms-cosmos-supported-query-features", "").split(","):
        raise bad_request("the client does not say that it can execute ORDER BY")
    info: Document = {"distinctType": "None", "top": None, "offset": None, "limit": None, "orderBy": []}
    info |= {"orderByExpressions": [], "groupByExpressions": [], "groupByAliases": [], "aggregates": []}
    info |= {"groupByAliasToAggregateType": {}, "rewrittenQuery": "", "hasSelectValue": False}
    if query.order_by:
        path, order = f"{query.alias}.{'.'.join(query.order_by)}", "DESC" if query.descending else "ASC"
        info["orderBy"] = ["Descending" if query.descending else "Ascending"]
        info["orderByExpressions"] = [path]
        info["rewrittenQuery"] = (
            f'SELECT {query.alias}._rid, [{{"item": {path}}}] AS orderByItems, {query.alias} AS payload\n'
            f"FROM {query.alias}\nWHERE ({query.where}) AND ({{documentdb-formattableorderbyquery-filter}})\n"
            f"ORDER BY {path} {order}"
        )
    ranges = [{"min": "", "max": "FF", "isMinInclusive": True, "isMaxInclusive": False}]
    return {"partitionedQueryExecutionInfoVersion": 2, "queryInfo": info, "queryRanges": ranges}


def execute(container: Container, request: Any, headers: Mapping[str, str]) -> Answer:
    """A page of the query's results. Raises CosmosError 400 for a query this double cannot parse or serve."""
    query = _parsed(request)
    _check_index(container, query)
    candidates = _candidates(container, query, headers)
    rows = [(_sort_value(query, document), document) for document in candidates if query.matches(document) is True]
    rows.sort(key=lambda row: row[0], reverse=query.descending)
    after = _continuation(headers.get("x-ms-continuation"), query)
    if after is not None:
        rows = [row for row in rows if (row[0] < after if query.descending else row[0] > after)]
    limit = _page_size(headers.get("x-ms-max-item-count", "-1"))
    page, more = rows[:limit], len(rows) > limit
    token = _token(page[-1][0], query) if more else None
    return Answer([_projected(query, row) for _, row in page], token)


def _parsed(request: Any) -> Query:
    if not isinstance(request, dict) or not isinstance(request.get("query"), str):
        raise bad_request("a query is an object with the text `query`")
    parameters = request.get("parameters", [])
    if any(set(parameter) != {"name", "value"} for parameter in parameters):
        raise bad_request("a parameter has a name and a value")
    return parse(request["query"], {parameter["name"]: parameter["value"] for parameter in parameters})


def _candidates(container: Container, query: Query, headers: Mapping[str, str]) -> list[Document]:
    partition = headers.get("x-ms-documentdb-partitionkey")
    if partition is not None:
        return container.documents(json.dumps(json.loads(partition)))
    if headers.get("x-ms-documentdb-query-enablecrosspartition", "").lower() != "true":
        raise bad_request("Cross partition query is required but disabled")
    range_id = headers.get("x-ms-documentdb-partitionkeyrangeid")
    if range_id is None:
        if query.order_by:
            raise bad_request("The provided cross partition query can not be directly served", NOT_SERVABLE)
        return container.documents(None)
    if range_id not in RANGES:
        raise bad_request(f"there is no partition key range {range_id}")
    return [document for document in container.documents(None) if container.range_of(document) == range_id]


def _check_index(container: Container, query: Query) -> None:
    """ORDER BY needs a range index on its path; the most precise path of the policy decides."""
    if query.order_by is None:
        return
    policy = container.definition.get("indexingPolicy", {"includedPaths": [{"path": "/*"}]})
    wanted = "/" + "/".join(query.order_by)
    lengths = {"includedPaths": -1, "excludedPaths": -1}
    for kind in lengths:
        for entry in policy.get(kind, []):
            path = entry["path"].replace('"', "")
            if path == f"{wanted}/?" or (path.endswith("*") and f"{wanted}/".startswith(path[:-1])):
                lengths[kind] = max(lengths[kind], len(path))
    if lengths["includedPaths"] <= lengths["excludedPaths"]:
        raise bad_request(f"The order-by item requires a range index to be defined on the path {wanted}/?")


def _sort_value(query: Query, document: Document) -> tuple[int, Any, int]:
    rid = int(document["_rid"].rpartition("-")[2])
    if query.order_by is None:
        return 0, 0, rid
    value = value_at(document, query.order_by)
    rank = _RANKS.get(type(value).__name__)
    if rank is None:
        raise bad_request("this double does not order by objects and arrays")
    return rank, "" if value is UNDEFINED or value is None else value, rid


def _projected(query: Query, document: Document) -> Any:
    if not query.is_rewritten or query.order_by is None:
        return document
    value = value_at(document, query.order_by)
    items = [{} if value is UNDEFINED else {"item": value}]
    return {"_rid": document["_rid"], "orderByItems": items, "payload": document}


def _page_size(text: str) -> int:
    try:
        size = int(text)
    except ValueError as error:
        raise bad_request("x-ms-max-item-count is no number") from error
    if size == 0 or size < -1:
        raise bad_request("x-ms-max-item-count is -1 or positive")
    return DEFAULT_PAGE if size == -1 else min(size, MAX_PAGE)


def _token(position: tuple[int, Any, int], query: Query) -> str:
    return base64.b64encode(json.dumps([query.where, position]).encode()).decode()


def _continuation(token: str | None, query: Query) -> tuple[int, Any, int] | None:
    if token is None:
        return None
    try:
        where, position = json.loads(base64.b64decode(token, validate=True))
    except ValueError as error:
        raise bad_request("the continuation is invalid") from error
    if where != query.where:
        raise bad_request("the continuation is of another query")
    rank, value, rid = position
    return rank, value, rid
