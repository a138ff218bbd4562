"""ResourceStore and Outbox in one container of Azure Cosmos DB for NoSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared import telemetry
from shared.adapters import continuation, sort_keys
from shared.adapters.azure import cosmos_documents as documents
from shared.adapters.azure import cosmos_queries as queries
from shared.adapters.azure.errors import from_status, translated
from shared.adapters.commit_rules import check_commit, event_document_id, event_partition
from shared.errors import Conflict, NotFound, Permanent, SlipwayError
from shared.events.wire import format_time
from shared.ports import Commit, Page, RecordQuery, ResourceQuery, Write
from shared.resources.base import HistoryRecord, Resource, ResourceKey
from shared.resources.events import RecordedEvent

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.cosmos.aio import ContainerProxy, CosmosClient
    from azure.cosmos.exceptions import CosmosBatchOperationError

DEFAULT_CONTAINER = "resources"
CONCURRENT_ACKNOWLEDGEMENTS = 8
THROTTLE_RETRIES = 4
THROTTLE_WAIT_S = 10
_OWNER_NOT_FOUND = 1003  # substatus of a 404: not the item, but its container is missing


class CosmosResourceStore:
    """Resources, history and events. An event goes 30 days after it was acknowledged."""

    def __init__(self, container: ContainerProxy, client: CosmosClient | None = None) -> None:
        """`client` is opened at first use and closed by `close`; without one, the container's is open already."""
        self._proxy = container
        self._client = client
        self._opening = asyncio.Lock()
        self._open = False

    async def close(self) -> None:
        """Close the connections, for good."""
        if self._client is not None:
            await self._client.close()

    async def read(self, key: ResourceKey) -> Resource | None:
        """The resource with its etag, or None."""
        from azure.cosmos.exceptions import CosmosResourceNotFoundError

        container = await self._container()
        with translated(f"read {key}"):
            try:
                document = await container.read_item(key.document_id, partition_key=key.partition)
            except CosmosResourceNotFoundError as error:
                if error.sub_status == _OWNER_NOT_FOUND:
                    raise self._missing() from error
                return None
        return documents.resource_of(document)

    async def commit(self, commit: Commit) -> tuple[str, ...]:
        """One transactional batch; the new ETags, "" for a delete. Raises Conflict (nothing is left behind), Invalid
        for a commit no store takes, TooLarge above 2 MB."""
        from azure.cosmos.exceptions import CosmosBatchOperationError

        partition = check_commit(commit)
        operations, names = _batch(commit, partition)
        container = await self._container()
        with translated(f"commit to {partition}"):
            try:
                results = await container.execute_item_batch(operations, partition_key=partition)
            except CosmosBatchOperationError as error:
                raise _batch_error(error, names) from error
        pairs = zip(commit.writes, results, strict=False)  # the writes are the first operations
        return tuple("" if write.delete else documents.etag_of(result["eTag"]) for write, result in pairs)

    async def list_resources(self, query: ResourceQuery) -> Page[Resource]:
        """A page of resources. Raises Invalid for a continuation it did not make."""
        span = continuation.rest_of(sort_keys.resource_range(query), query.after, descending=query.descending)
        partition = ResourceKey(query.kind, query.name).partition if query.name is not None else None
        sql = queries.resources_query(query, span)
        rows = await self._select(sql, partition, query.limit + 1)
        key = "sort_key" if sql.key == "unfinished_key" else sql.key
        return continuation.page_of(rows, query.limit, documents.resource_of, lambda row: str(row[key]))

    async def list_events(self, query: RecordQuery) -> Page[RecordedEvent]:
        """A page of the event log, oldest first. Raises Invalid for a continuation it did not make."""
        span = continuation.rest_of(sort_keys.event_range(query), query.after)
        sql, partition = queries.records_query(query, span), sort_keys.record_partition(query)
        rows = await self._select(sql, partition, query.limit + 1)
        return continuation.page_of(rows, query.limit, documents.event_of, _sort_key)

    async def list_history(self, query: RecordQuery) -> Page[HistoryRecord]:
        """A page of the history, oldest first. Raises Invalid for a continuation it did not make."""
        span = continuation.rest_of(sort_keys.history_range(query), query.after)
        sql, partition = queries.records_query(query, span), sort_keys.record_partition(query)
        rows = await self._select(sql, partition, query.limit + 1)
        return continuation.page_of(rows, query.limit, documents.history_of, _sort_key)

    async def unacknowledged(self, *, before: datetime, limit: int) -> tuple[RecordedEvent, ...]:
        """At most `limit` owed events from before `before`, oldest first; () when none are."""
        rows = await self._select(queries.owed_query(format_time(before)), None, limit)
        return tuple(documents.event_of(row) for row in rows)

    async def acknowledge(self, events: Sequence[RecordedEvent], at: datetime) -> None:
        """Note that these were published, which also sets when they go; the first time stays."""
        container = await self._container()
        turns = asyncio.Semaphore(CONCURRENT_ACKNOWLEDGEMENTS)

        async def acknowledge_one(record: RecordedEvent) -> None:
            async with turns:
                await _acknowledge(container, record, format_time(at))

        await asyncio.gather(*(acknowledge_one(record) for record in events))

    async def _select(self, sql: queries.SqlQuery, partition: str | None, limit: int) -> list[dict[str, Any]]:
        container = await self._container()
        scope: dict[str, Any] = {} if partition is None else {"partition_key": partition}  # none: all partitions
        rows: list[dict[str, Any]] = []
        with translated("query the resources"):
            found = container.query_items(sql.text, parameters=sql.parameters, max_item_count=limit, **scope)
            async for row in found:
                rows.append(row)
                if len(rows) == limit:
                    break
        return rows

    async def _container(self) -> ContainerProxy:
        """The container, once it is known to be there: a missing one must not look like a missing resource."""
        async with self._opening:
            if not self._open:
                with translated("open the container of resources"):
                    if self._client is not None:
                        await self._client.__aenter__()
                    await self._read_properties()
                self._open = True
        return self._proxy

    async def _read_properties(self) -> None:
        from azure.cosmos.exceptions import CosmosResourceNotFoundError

        try:
            await self._proxy.read()
        except CosmosResourceNotFoundError as error:
            raise self._missing() from error

    def _missing(self) -> SlipwayError:
        return NotFound(
            f"Cosmos DB has no container {self._proxy.id!r} in that database",
            remedy="deploy infra/bicep, or check SLIPWAY_COSMOS_DATABASE",
        )


def open_cosmos_store(
    endpoint: str, database: str, credential: AsyncTokenCredential | str, container: str = DEFAULT_CONTAINER
) -> CosmosResourceStore:
    """The store in that container. Connects at first use; an account key (text) is for emulators and tests only."""
    from azure.cosmos.aio import CosmosClient

    # The SDK retries a throttled query inside of another retry, so its own bounds multiply; the queue backs off anyway.
    client = CosmosClient(
        endpoint,
        credential,
        retry_throttle_total=THROTTLE_RETRIES,
        retry_throttle_backoff_max=THROTTLE_WAIT_S,
        raw_response_hook=_measure,
    )
    return CosmosResourceStore(client.get_database_client(database).get_container_client(container), client)


def _measure(response: Any) -> None:
    """Each answer says what it took, a refused one nothing."""
    answer = response.http_response
    charge = float(answer.headers.get("x-ms-request-charge") or 0)
    telemetry.record(telemetry.REQUEST_UNITS, charge, status=answer.status_code)


async def ensure_container(
    endpoint: str, database: str, credential: AsyncTokenCredential | str, container: str = DEFAULT_CONTAINER
) -> None:
    """Make the database and the container where they are missing: for emulators and tests (Bicep does it on Azure)."""
    from azure.cosmos import PartitionKey
    from azure.cosmos.aio import CosmosClient

    with translated(f"make the container {container}"):
        async with CosmosClient(endpoint, credential) as client:
            proxy = await client.create_database_if_not_exists(database)
            await proxy.create_container_if_not_exists(
                container,
                partition_key=PartitionKey(path=documents.PARTITION_KEY_PATH),
                indexing_policy=documents.CONTAINER["indexingPolicy"],
                default_ttl=documents.CONTAINER["defaultTtl"],
            )


def _batch(commit: Commit, partition: str) -> tuple[list[tuple[Any, ...]], list[str]]:
    """The operations of a batch, and what each is about."""
    operations = [_operation(write) for write in commit.writes]
    names = [str(write.resource.key) for write in commit.writes]
    for write in commit.writes:
        if write.history is not None:
            operations.append(("create", (documents.history_document(write.history, write.resource.key),)))
            names.append(f"revision {write.history.revision} of {write.resource.key}")
    for record in commit.events:
        operations.append(("create", (documents.event_document(record, partition),)))
        names.append(f"the event {record.event.id}")
    return operations, names


def _operation(write: Write) -> tuple[Any, ...]:
    resource, document_id = write.resource, write.resource.key.document_id
    if resource.etag is None:
        return "create", (documents.resource_document(resource),)
    condition = {"if_match_etag": documents.if_match(resource.etag)}
    if write.delete:
        return "delete", (document_id,), condition
    return "replace", (document_id, documents.resource_document(resource)), condition


def _batch_error(error: CosmosBatchOperationError, names: list[str]) -> SlipwayError:
    """Not found is a conflict here: what was to be replaced or deleted is gone, so its ETag is no longer."""
    index = error.error_index or 0
    what = names[index] if index < len(names) else "the batch"
    if error.status_code in (404, 409, 412, 424):
        return Conflict(f"{what} was written by somebody else (status {error.status_code})")
    if not error.status_code:
        return Permanent(f"{what}: Cosmos DB refused the batch without saying why")
    return from_status(error.status_code, what)


async def _acknowledge(container: ContainerProxy, record: RecordedEvent, at: str) -> None:
    from azure.cosmos.exceptions import CosmosAccessConditionFailedError, CosmosResourceNotFoundError

    with translated(f"acknowledge the event {record.event.id}"):
        try:
            await container.patch_item(
                event_document_id(record),
                partition_key=event_partition(record),
                patch_operations=documents.acknowledgement(at),
                filter_predicate=documents.IS_OWED,
                no_response=True,
            )
        except (CosmosAccessConditionFailedError, CosmosResourceNotFoundError):
            return  # acknowledged before, or gone since


def _sort_key(document: dict[str, Any]) -> str:
    return str(document["sort_key"])
