"""The double's HTTP server: what is asked, whether it is signed, which faults are due, and what it counts."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import unquote

from aiohttp import web

from tests.doubles.cosmos import queries
from tests.doubles.cosmos.auth import check_signature, token_in
from tests.doubles.cosmos.charges import Throughput, charge_of
from tests.doubles.cosmos.containers import Container
from tests.doubles.cosmos.errors import CosmosError, bad_request
from tests.doubles.cosmos.operations import (
    Reply,
    account_reply,
    item_reply,
    operation_of,
    parse_json,
    ranges_reply,
)

MAX_BODY_BYTES = 8 * 1024 * 1024
SUPPORTED_VERSIONS = ("2018-12-31", "2020-07-15")
DATA_OPERATIONS = frozenset(
    {"item.read", "item.create", "item.upsert", "item.replace", "item.patch", "item.delete", "batch", "query"}
)


@dataclass(slots=True)
class Fault:
    """An answer that is given in place of the right one."""

    status: int
    times: int
    headers: dict[str, str]
    operations: frozenset[str]
    after: bool  # the operation takes effect, only its answer is lost


class CosmosDouble:
    """A server on a free port of 127.0.0.1. `async with CosmosDouble() as double`: .endpoint, .key; stops at the end.

    `requests` counts requests and `request_units` what they are said to cost, both by operation: account,
    database.create, container.read, ranges, item.read, item.create, batch, query, plan...
    """

    def __init__(self) -> None:
        self.endpoint = ""  # also what it tells clients to go on with: set it to a proxy's to keep them there
        self.takes_token: Callable[[str], bool] | None = None  # None: keys only, as with local authentication alone
        self.key = base64.b64encode(secrets.token_bytes(64)).decode()
        self.requests: Counter[str] = Counter()
        self.request_units: defaultdict[str, float] = defaultdict(float)
        self.documents: Counter[str] = Counter()  # as requests, but each operation of a batch counts
        self.throughput: Throughput | None = None  # None: as much as anybody wants
        self.throttled = 0  # requests that were told to come again for lack of it
        self._faults: list[Fault] = []
        self._skipped_s = 0.0
        self._databases: dict[str, dict[str, Container]] = {}
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> CosmosDouble:
        application = web.Application(client_max_size=MAX_BODY_BYTES)
        application.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(application, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.endpoint = f"http://127.0.0.1:{self._runner.addresses[0][1]}/"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def fail_next(
        self,
        status: int,
        times: int = 1,
        headers: Mapping[str, str] | None = None,
        *,
        operations: frozenset[str] = DATA_OPERATIONS,
        after: bool = False,
    ) -> None:
        """Answer the next `times` requests of `operations` with `status`: before anything was done, or with `after`
        once it was done. E.g. 429 with {"x-ms-retry-after-ms": "1"}, 449, 503."""
        self._faults.append(Fault(status, times, dict(headers or {}), operations, after))

    def skip_time(self, seconds: float) -> None:
        """Let documents grow older, so that their time to live ends."""
        self._skipped_s += seconds

    def container(self, database: str, container: str) -> Container:
        """The container as the double holds it. Raises CosmosError 404."""
        if container not in self._databases.get(database, {}):
            raise CosmosError(404, f"Owner resource does not exist: {database}/{container}", substatus=1003)
        return self._databases[database][container]

    async def _serve(self, request: web.Request) -> web.Response:
        segments = [unquote(part) for part in request.raw_path.partition("?")[0].split("/") if part]
        try:
            date, version = request.headers.get("x-ms-date", ""), request.headers.get("x-ms-version", "")
            self._authorize(request.method, segments, request.headers.get("Authorization", ""), date)
            if version not in SUPPORTED_VERSIONS:
                raise bad_request(f"x-ms-version {version!r} is not one of {SUPPORTED_VERSIONS}")
            operation = operation_of(request.method, segments, request.headers)
            self.requests[operation] += 1
            self._raise_fault(operation, after=False)
            self._throttle(operation)
            body = await _body(request)
            reply = self._reply(operation, segments, request.headers, body)
            self._charge(operation, reply, len(body))
            self._raise_fault(operation, after=True)
        except CosmosError as error:
            reply = Reply(error.body, error.status, error.headers)
        return _response(reply, request.headers)

    def _throttle(self, operation: str) -> None:
        wait_ms = self.throughput.wait_ms() if self.throughput and operation in DATA_OPERATIONS else 0.0
        if wait_ms:
            self.throttled += 1
            headers = {"x-ms-retry-after-ms": f"{wait_ms:.0f}"}
            raise CosmosError(429, "Request rate is large", substatus=3200, headers=headers)

    def _charge(self, operation: str, reply: Reply, sent_bytes: int) -> None:
        documents = len(reply.document) if operation == "batch" else 1
        answered_bytes = len(json.dumps(reply.document)) if reply.document is not None else 0
        reply.charge = charge_of(operation, documents, sent_bytes, answered_bytes)
        self.request_units[operation] += reply.charge
        self.documents[operation] += documents
        if self.throughput is not None:
            self.throughput.used_ru += reply.charge

    def _authorize(self, method: str, segments: list[str], authorization: str, date: str) -> None:
        token = token_in(authorization)
        if token is None:
            check_signature(self.key, method, segments, authorization, date)
        elif self.takes_token is None or not self.takes_token(token):
            raise CosmosError(401, "The token is not one of this account.")

    def _raise_fault(self, operation: str, *, after: bool) -> None:
        for fault in self._faults:
            if fault.times > 0 and fault.after == after and operation in fault.operations:
                fault.times -= 1
                raise CosmosError(fault.status, "a fault that a test asked for", headers=fault.headers)

    def _reply(self, operation: str, segments: list[str], headers: Mapping[str, str], body: bytes) -> Reply:
        if operation == "account":
            return Reply(account_reply(self.endpoint))
        if operation.startswith("database"):
            return self._database(operation, segments, body)
        if operation.startswith("container"):
            return self._container(operation, segments, body)
        container = self.container(segments[1], segments[3])
        if headers.get("x-ms-cosmos-intended-collection-rid", container.rid) != container.rid:
            raise bad_request("the container is another one than the client thinks", 1024)
        if operation == "ranges":
            return ranges_reply(container, headers)
        if operation == "plan":
            return Reply(queries.plan(container, parse_json(body), headers))
        if operation == "query":
            answer = queries.execute(container, parse_json(body), headers)
            more = {"x-ms-continuation": answer.continuation} if answer.continuation else {}
            rows = {"_rid": container.rid, "Documents": answer.rows, "_count": len(answer.rows)}
            return Reply(rows, headers=more)
        reply = item_reply(container, operation, segments, headers, body)
        reply.headers["x-ms-session-token"] = f"0:-1#{container.lsn}"
        return reply

    def _database(self, operation: str, segments: list[str], body: bytes) -> Reply:
        if operation == "database.create":
            name = parse_json(body)["id"]
            if name in self._databases:
                raise CosmosError(409, f"the database {name} exists")
            self._databases[name] = {}
            return Reply({"id": name, "_rid": name, "_self": f"dbs/{name}/"}, 201)
        if segments[1] not in self._databases:
            raise CosmosError(404, f"there is no database {segments[1]}")
        if operation == "database.delete":
            del self._databases[segments[1]]
            return Reply(None, 204)
        return Reply({"id": segments[1], "_rid": segments[1], "_self": f"dbs/{segments[1]}/"})

    def _container(self, operation: str, segments: list[str], body: bytes) -> Reply:
        if segments[1] not in self._databases:
            raise CosmosError(404, f"there is no database {segments[1]}", substatus=1003)
        containers = self._databases[segments[1]]
        if operation == "container.create":
            definition = parse_json(body)
            if definition["id"] in containers:
                raise CosmosError(409, f"the container {definition['id']} exists")
            rid = secrets.token_hex(8)
            containers[definition["id"]] = Container(definition, rid, lambda: time.time() + self._skipped_s)
            return Reply(containers[definition["id"]].definition, 201)
        container = self.container(segments[1], segments[3])
        if operation == "container.delete":
            del containers[segments[3]]
            return Reply(None, 204)
        return Reply(container.definition)


async def _body(request: web.Request) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise CosmosError(413, "Request size is too large") from error


def _response(reply: Reply, asked: Mapping[str, str]) -> web.Response:
    headers = {"x-ms-request-charge": str(reply.charge), "x-ms-activity-id": asked.get("x-ms-activity-id", "")}
    headers |= reply.headers
    minimal = asked.get("Prefer") == "return=minimal" and reply.status in (200, 201) and "etag" in reply.headers
    if reply.document is None or minimal:
        return web.Response(status=reply.status, headers=headers)
    return web.json_response(reply.document, status=reply.status, headers=headers)
