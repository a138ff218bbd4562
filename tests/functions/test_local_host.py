"""The local host over real sockets: each fact of the Functions host that the app relies on."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import azure.functions as func
import pytest
from aiohttp import web

from shared.adapters.local.clock import SystemClock
from shared.adapters.local.secrets import LocalSecrets
from shared.adapters.local.work_queue import SqliteWorkQueues, open_work_queues
from shared.local_host.app_loader import index_app
from shared.local_host.host import FunctionsHost

SECRETS = LocalSecrets(
    master_key="the-master-key", host_keys={"default": "a-host-key", "ci": "another-key"}, eventgrid_key="system-key"
)
KEY = {"x-functions-key": "a-host-key"}
MASTER = {"x-functions-key": "the-master-key"}
HOST_JSON: dict[str, Any] = {"version": "2.0"}


@dataclass
class Running:
    url: str
    http: aiohttp.ClientSession
    host: FunctionsHost
    queues: SqliteWorkQueues


@asynccontextmanager
async def running(
    app: func.FunctionApp,
    data_dir: Path,
    host_json: dict[str, Any] | None = None,
    environ: dict[str, str] | None = None,
) -> AsyncIterator[Running]:
    queues = open_work_queues(data_dir / "queue.db")
    host = FunctionsHost(
        index_app(app), host_json or HOST_JSON, SECRETS, queues, data_dir, SystemClock(), environ=environ or {}
    )
    site = web.Application()
    host.add_routes(site)
    runner = web.AppRunner(site, access_log=None, auto_decompress=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    await host.start()
    address = runner.addresses[0]
    async with aiohttp.ClientSession(auto_decompress=False) as http:
        yield Running(f"http://{address[0]}:{address[1]}", http, host, queues)
        await host.stop()
    await runner.cleanup()
    await queues.close()


def echo_app(*routes: tuple[str, list[str] | None]) -> func.FunctionApp:
    """Functions f0, f1... that answer with what they got."""
    app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
    for index, (route, methods) in enumerate(routes):

        def answer(req: func.HttpRequest, index: int = index) -> func.HttpResponse:
            got = {
                "function": index,
                "method": req.method,
                "url": req.url,
                "headers": dict(req.headers),
                "params": dict(req.params),
                "route_params": dict(req.route_params),
                "body": req.get_body().decode("latin-1"),
            }
            return func.HttpResponse(json.dumps(got), mimetype="application/json")

        register(app, f"f{index}", route, methods, answer)
    return app


def register(app: func.FunctionApp, name: str, route: str, methods: list[str] | None, body: Any) -> None:
    def handler(req: func.HttpRequest) -> func.HttpResponse:
        return body(req)

    app.function_name(name)(app.route(route, methods=methods)(handler))


async def get(running: Running, path: str, **options: Any) -> tuple[int, bytes]:
    async with running.http.get(running.url + path, **options) as answer:
        return answer.status, await answer.read()


# --- HTTP: routes ---------------------------------------------------------------------------------------------------
async def test_routes_have_the_prefix_ignore_case_and_give_their_parameters(tmp_path: Path) -> None:
    async with running(echo_app(("models/{name}/versions/{version:int?}", ["GET"])), tmp_path) as host:
        status, body = await get(host, "/API/Models/my%20m%C3%B6del/versions/3")
        assert status == 200
        assert json.loads(body)["route_params"] == {"name": "my mödel", "version": "3"}
        _, body = await get(host, "/api/models/x/versions")
        assert json.loads(body)["route_params"] == {"name": "x"}
        for path in ("/models/x/versions/3", "/api/models/x/versions/three", "/api/models//versions/3", "/api", "/"):
            assert (await get(host, path))[0] == 404, path


async def test_the_more_specific_route_comes_first_whatever_the_order(tmp_path: Path) -> None:
    app = echo_app(("{*rest}", None), ("models/{name}", None), ("models/{id:int}", None), ("models/latest", None))
    async with running(app, tmp_path) as host:
        for path, function in (("models/latest", 3), ("models/7", 2), ("models/seven", 1), ("models/a/b", 0)):
            assert json.loads((await get(host, f"/api/{path}"))[1])["function"] == function


async def test_a_catch_all_takes_slashes_and_nothing_at_all(tmp_path: Path) -> None:
    async with running(echo_app(("files/{*path}", None)), tmp_path) as host:
        assert json.loads((await get(host, "/api/files/a/b%2Fc/d"))[1])["route_params"] == {"path": "a/b%2Fc/d"}
        assert json.loads((await get(host, "/api/files"))[1])["route_params"] == {}


async def test_dots_in_a_path_are_resolved_before_a_function_sees_them(tmp_path: Path) -> None:
    async with running(echo_app(("files/{*path}", None)), tmp_path) as host:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(host.url.rsplit(":", 1)[1]))
        writer.write(b"GET /api/files/x/%2e%2e/../../etc/passwd HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).split(b" ")[1] == b"404"
        writer.close()


async def test_a_wrong_method_is_404_and_without_methods_all_are_taken(tmp_path: Path) -> None:
    async with running(echo_app(("one", ["POST"]), ("all", None)), tmp_path) as host:
        assert (await get(host, "/api/one"))[0] == 404
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            async with host.http.request(method, f"{host.url}/api/all") as answer:
                assert (await answer.json())["method"] == method
        async with host.http.head(f"{host.url}/api/all") as answer:
            assert (answer.status, await answer.read()) == (200, b"")
            assert answer.content_length


async def test_the_route_prefix_of_host_json_counts(tmp_path: Path) -> None:
    host_json = {"version": "2.0", "extensions": {"http": {"routePrefix": ""}}}
    async with running(echo_app(("{*rest}", None)), tmp_path, host_json) as host:
        assert (await get(host, "/anything"))[0] == 200
        assert (await get(host, "/admin/host/status"))[0] == 401
        assert (await get(host, "/runtime/webhooks/eventgrid"))[0] in (200, 404)


# --- HTTP: what a function gets -------------------------------------------------------------------------------------
async def test_headers_are_lower_case_and_empty_query_values_are_dropped(tmp_path: Path) -> None:
    async with running(echo_app(("echo", None)), tmp_path) as host:
        _, body = await get(host, "/api/echo?a=1&empty=&flag&b=x%20y&a=2", headers={"X-Some-Header": "Value"})
        got = json.loads(body)
        assert got["params"] == {"a": "1,2", "b": "x y"}
        assert got["headers"]["x-some-header"] == "Value"
        assert all(name == name.lower() for name in got["headers"])
        assert got["url"].startswith(f"{host.url}/api/echo?a=1")


async def test_a_body_comes_as_it_was_sent_even_compressed(tmp_path: Path) -> None:
    compressed = gzip.compress(b"x" * 1000)
    async with running(echo_app(("echo", ["POST"])), tmp_path) as host:
        url = f"{host.url}/api/echo"
        async with host.http.post(url, data=compressed, headers={"Content-Encoding": "gzip"}) as answer:
            assert (await answer.json())["body"].encode("latin-1") == compressed


async def test_nobody_can_pretend_to_be_a_principal(tmp_path: Path) -> None:
    forged = {
        "X-MS-CLIENT-PRINCIPAL": "e30=",
        "X-MS-CLIENT-PRINCIPAL-NAME": "admin@example.com",
        "x-ms-client-principal-id": "1",
        "X-MS-TOKEN-AAD-ID-TOKEN": "t",
    }
    async with running(echo_app(("echo", None)), tmp_path) as host:
        headers = json.loads((await get(host, "/api/echo", headers=forged))[1])["headers"]
        assert not [name for name in headers if name.startswith("x-ms-")]
        headers = json.loads((await get(host, "/api/echo?code=another-key", headers=forged))[1])["headers"]
        principal = {name: value for name, value in headers.items() if name.startswith("x-ms-")}
        assert principal == {"x-ms-client-principal-name": "ci", "x-ms-client-principal-idp": "functionkey"}


async def test_bodies_above_the_limit_are_refused_before_and_while_reading(tmp_path: Path) -> None:
    async with running(echo_app(("echo", ["POST"])), tmp_path) as host:
        port = int(host.url.rsplit(":", 1)[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /api/echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1073741824\r\n\r\n")
        assert (await reader.readline()).split(b" ")[1] == b"413"  # nothing of the gigabyte was sent
        writer.close()

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(101):
                yield bytes(1024 * 1024)

        try:
            async with host.http.post(f"{host.url}/api/echo", data=chunks()) as answer:
                assert answer.status == 413
        except aiohttp.ClientConnectionError:
            pass  # the server may close while the client still writes
        assert (await get(host, "/api/echo"))[0] == 404  # and goes on


# --- HTTP: keys -----------------------------------------------------------------------------------------------------
def leveled_app() -> func.FunctionApp:
    app = func.FunctionApp()

    @app.route("anonymous", auth_level=func.AuthLevel.ANONYMOUS)
    def anonymous(req: func.HttpRequest) -> str:
        return "ok"

    @app.route("function")
    def function(req: func.HttpRequest) -> str:
        return "ok"

    @app.route("admin", auth_level=func.AuthLevel.ADMIN)
    def admin(req: func.HttpRequest) -> str:
        return "ok"

    return app


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("anonymous", {}, 200),
        ("anonymous", {"x-functions-key": "wrong"}, 200),
        ("function", {}, 401),
        ("function", {"x-functions-key": ""}, 401),
        ("function", {"x-functions-key": "wrong"}, 401),
        ("function", KEY, 200),
        ("function", MASTER, 200),
        ("function?code=another-key", {}, 200),
        ("function?code=wrong", KEY, 200),  # the header comes first
        ("function?code=a-host-key", {"x-functions-key": "wrong"}, 401),
        ("function?code=system-key", {}, 401),
        ("function?code=%F0%9F%9A%80", {}, 401),
        ("admin", KEY, 401),
        ("admin", MASTER, 200),
    ],
)
async def test_keys(path: str, headers: dict[str, str], status: int, tmp_path: Path) -> None:
    async with running(leveled_app(), tmp_path) as host:
        assert (await get(host, f"/api/{path}", headers=headers))[0] == status


# --- HTTP: answers --------------------------------------------------------------------------------------------------
async def test_what_a_function_returns_decides_the_answer(tmp_path: Path) -> None:
    def fail(_: func.HttpRequest) -> Any:
        raise ValueError("secret detail")

    full = func.HttpResponse("née", status_code=201, headers={"X-A": "1", "Content-Length": "999"}, charset="latin-1")
    app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
    returned: dict[str, Any] = {
        "str": lambda _: "text",
        "response": lambda _: full,
        "empty": lambda _: func.HttpResponse(status_code=204),
        "none": lambda _: None,
        "dict": lambda _: {"a": 1},
        "bytes": lambda _: b"raw",
        "raise": fail,
    }
    for name, body in returned.items():
        register(app, name, name, None, body)
    async with running(app, tmp_path) as host:
        assert await get(host, "/api/str") == (200, b"text")
        assert await get(host, "/api/empty") == (204, b"")
        for name in ("none", "dict", "bytes", "raise"):
            assert await get(host, f"/api/{name}") == (500, b"")
        async with host.http.get(f"{host.url}/api/response") as answer:
            assert (answer.status, await answer.read()) == (201, "née".encode("latin-1"))
            assert answer.headers["X-A"] == "1"
            assert answer.headers["Content-Type"] == "text/plain; charset=latin-1"


async def test_each_cookie_gets_its_own_header(tmp_path: Path) -> None:
    def cookies(_: func.HttpRequest) -> func.HttpResponse:
        response = func.HttpResponse("ok")
        response.headers.add("Set-Cookie", "a=1; Path=/; HttpOnly")
        response.headers.add("Set-Cookie", "b=2")
        return response

    app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
    register(app, "cookies", "cookies", None, cookies)
    async with running(app, tmp_path) as host, host.http.get(f"{host.url}/api/cookies") as answer:
        assert [c.split(";")[0] for c in answer.headers.getall("Set-Cookie")] == ["a=1", "b=2"]


async def test_sync_functions_run_at_the_same_time_and_get_a_context(tmp_path: Path) -> None:
    together = threading.Barrier(3, timeout=30)
    app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

    @app.route("meet")
    def meet(req: func.HttpRequest, context: func.Context) -> str:
        together.wait()
        assert context.thread_local_storage.invocation_id == context.invocation_id
        return f"{context.function_name} {context.invocation_id} {context.function_directory}"

    async with running(app, tmp_path) as host:
        answers = await asyncio.gather(*(get(host, "/api/meet") for _ in range(3)))
    assert {status for status, _ in answers} == {200}
    words = [body.decode().split() for _, body in answers]
    assert {word[0] for word in words} == {"meet"}
    assert len({word[1] for word in words}) == 3
    assert {word[2] for word in words} == {str(Path(__file__).parent)}


async def test_a_function_that_exceeds_its_time_fails(tmp_path: Path) -> None:
    app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
    ended = asyncio.Event()

    @app.route("hang")
    async def hang(req: func.HttpRequest) -> str:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return "never"

    async with running(app, tmp_path, {"version": "2.0", "functionTimeout": "00:00:00.1"}) as host:
        assert await get(host, "/api/hang") == (500, b"")
        assert ended.is_set()


async def test_while_the_host_stops_nothing_new_is_started(tmp_path: Path) -> None:
    async with running(echo_app(("echo", None)), tmp_path) as host:
        await host.host.stop()
        assert await get(host, "/api/echo") == (503, b"")


# --- Event Grid -----------------------------------------------------------------------------------------------------
EVENT = {
    "id": "1",
    "topic": "/t",
    "subject": "s",
    "eventType": "T",
    "eventTime": "2026-01-01T00:00:00.1234567Z",
    "data": {"a": 1},
    "dataVersion": "1",
    "metadataVersion": "1",
}
CLOUD_EVENT = {"specversion": "1.0", "id": "2", "source": "/s", "type": "T", "data": {"b": 2}}
NOTIFICATION = {"aeg-event-type": "Notification"}


def event_app(handle: Callable[[dict[str, Any]], Awaitable[None]]) -> func.FunctionApp:
    app = func.FunctionApp()

    @app.event_grid_trigger(arg_name="event")
    async def on_event(event: str) -> None:
        await handle(json.loads(event))

    @app.queue_trigger(arg_name="message", queue_name="other", connection="C")
    async def other(message: func.QueueMessage) -> None: ...

    return app


async def post_events(host: Running, body: Any, headers: dict[str, str], query: str = "") -> tuple[int, str]:
    query = query or "functionName=on_event&code=system-key"
    url = f"{host.url}/runtime/webhooks/eventgrid?{query}"
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with host.http.post(url, data=data, headers=headers) as answer:
        return answer.status, await answer.text()


async def test_a_notification_runs_the_function_once_for_each_event_at_the_same_time(tmp_path: Path) -> None:
    got: list[dict[str, Any]] = []
    all_there = asyncio.Event()

    async def handle(event: dict[str, Any]) -> None:
        got.append(event)
        if len(got) == 2:
            all_there.set()
        await all_there.wait()  # one after the other would never end

    async with running(event_app(handle), tmp_path) as host:
        assert (await post_events(host, [EVENT, CLOUD_EVENT], NOTIFICATION))[0] == 202
        assert sorted(event["id"] for event in got) == ["1", "2"]
        assert (await post_events(host, EVENT, {"AEG-EVENT-TYPE": "notification"}))[0] == 202
        assert got[2] == EVENT
        assert (await post_events(host, [], NOTIFICATION))[0] == 202


async def test_any_failure_makes_the_batch_come_again(tmp_path: Path) -> None:
    got: list[str] = []

    async def handle(event: dict[str, Any]) -> None:
        got.append(event["id"])
        if event["id"] == "bad":
            raise RuntimeError("secret detail")

    async with running(event_app(handle), tmp_path) as host:
        status, text = await post_events(host, [EVENT, {**EVENT, "id": "bad"}, {**EVENT, "id": "3"}], NOTIFICATION)
        assert status == 500
        assert "secret" not in text
        assert sorted(got) == ["1", "3", "bad"]


async def test_the_event_grid_endpoint_knows_its_handshakes_its_keys_and_its_functions(tmp_path: Path) -> None:
    async def handle(_: dict[str, Any]) -> None:
        raise AssertionError("no event was sent")

    validation = [{**EVENT, "data": {"validationCode": "c0de", "validationUrl": "https://example.com"}}]
    kind = {"aeg-event-type": "SubscriptionValidation"}
    async with running(event_app(handle), tmp_path) as host:
        status, text = await post_events(host, validation, kind)
        assert (status, json.loads(text)) == (200, {"validationResponse": "c0de"})
        assert (await post_events(host, [EVENT], kind))[0] == 400
        assert (await post_events(host, [], kind))[0] == 400
        assert (await post_events(host, {}, {"aeg-event-type": "Unsubscribe"}))[0] == 202
        assert (await post_events(host, [EVENT], {}))[0] == 400
        assert (await post_events(host, [EVENT], {"aeg-event-type": "Other"}))[0] == 400
        for body in (b"not json", b"[1]", b"7", b"[" * 100_000):
            assert (await post_events(host, body, NOTIFICATION))[0] == 400
        for query, status in (
            ("functionName=on_event", 401),
            ("functionName=on_event&code=a-host-key", 401),
            ("functionName=absent&code=wrong", 401),
            ("functionName=absent&code=system-key", 404),
            ("functionName=ON_EVENT&code=system-key", 404),
            ("functionName=other&code=system-key", 404),
            ("code=system-key", 404),
        ):
            assert (await post_events(host, [EVENT], NOTIFICATION, query))[0] == status, query
        assert (await post_events(host, b"x" * 5_000_000, NOTIFICATION))[0] == 413
        url = f"{host.url}/runtime/webhooks/eventgrid?functionName=on_event&code=system-key"
        asked = {"WebHook-Request-Origin": "eventgrid.azure.net", "WebHook-Request-Rate": "120"}
        async with host.http.options(url, headers=asked) as answer:
            assert answer.status == 200
            assert answer.headers["WebHook-Allowed-Origin"] == "eventgrid.azure.net"
            assert answer.headers["WebHook-Allowed-Rate"]


async def test_a_typed_event_grid_function_gets_the_sdk_object(tmp_path: Path) -> None:
    got: list[func.EventGridEvent] = []
    app = func.FunctionApp()

    @app.event_grid_trigger(arg_name="event")
    def on_event(event: func.EventGridEvent) -> None:
        got.append(event)

    async with running(app, tmp_path) as host:
        assert (await post_events(host, [EVENT], NOTIFICATION))[0] == 202
    assert (got[0].id, got[0].subject, got[0].event_type, got[0].get_json()) == ("1", "s", "T", {"a": 1})


# --- Queues ---------------------------------------------------------------------------------------------------------
def queue_app(handle: Callable[[func.QueueMessage], Awaitable[Any]], name: str = "work") -> func.FunctionApp:
    app = func.FunctionApp()

    @app.queue_trigger(arg_name="message", queue_name=name, connection="C")
    async def work(message: func.QueueMessage) -> None:
        return await handle(message)

    return app


async def receive(queues: SqliteWorkQueues, name: str) -> str | None:
    messages = await queues(name).receive(max_messages=1, visibility_timeout_s=30)
    return messages[0].body if messages else None


async def eventually(question: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(30):
        while not (answer := await question()):
            await asyncio.sleep(0.01)
        return answer


async def test_a_message_is_handed_over_with_its_metadata_and_deleted(tmp_path: Path) -> None:
    got: asyncio.Queue[func.QueueMessage] = asyncio.Queue()
    async with running(queue_app(got.put), tmp_path) as host:
        message_id = await host.queues("work").send("héllo")
        message = await asyncio.wait_for(got.get(), 30)
    assert (message.id, message.get_body(), message.dequeue_count) == (message_id, "héllo".encode(), 1)
    assert message.insertion_time < message.time_next_visible < message.expiration_time
    assert message.pop_receipt
    queues = open_work_queues(tmp_path / "queue.db")
    assert await queues.release_all() == 0  # nothing is left, not even hidden
    assert await receive(queues, "work") is None
    await queues.close()


async def test_a_message_that_always_fails_ends_in_the_poison_queue_after_five_tries(tmp_path: Path) -> None:
    tries: list[int] = []

    async def fail(message: func.QueueMessage) -> None:
        tries.append(message.dequeue_count or 0)
        raise RuntimeError("always")

    async with running(queue_app(fail), tmp_path) as host:
        await host.queues("work").send("poison")
        assert await eventually(lambda: receive(host.queues, "work-poison")) == "poison"
        assert tries == [1, 2, 3, 4, 5]
        assert await receive(host.queues, "work") is None


async def test_host_json_sets_how_often_and_the_queue_name_may_be_a_setting(tmp_path: Path) -> None:
    tries: list[int] = []

    async def fail(message: func.QueueMessage) -> None:
        tries.append(1)
        raise RuntimeError("always")

    host_json = {"version": "2.0", "extensions": {"queues": {"maxDequeueCount": 2}}}
    async with running(queue_app(fail, "%NAME%-x"), tmp_path, host_json, {"NAME": "set"}) as host:
        await host.queues("set-x").send("p")
        assert await eventually(lambda: receive(host.queues, "set-x-poison")) == "p"
    assert len(tries) == 2


async def test_a_function_that_returns_something_without_a_binding_fails(tmp_path: Path) -> None:
    async def returns(_: func.QueueMessage) -> str:
        return "not allowed"

    host_json = {"version": "2.0", "extensions": {"queues": {"maxDequeueCount": 1}}}
    async with running(queue_app(returns), tmp_path, host_json) as host:
        await host.queues("work").send("x")
        assert await eventually(lambda: receive(host.queues, "work-poison")) == "x"


async def test_what_killed_the_host_too_often_goes_to_poison_without_running_again(tmp_path: Path) -> None:
    async def never(_: func.QueueMessage) -> None:
        raise AssertionError("it ran")

    queues = open_work_queues(tmp_path / "queue.db")
    await queues("work").send("killer")
    for _ in range(5):
        await queues("work").receive(max_messages=1, visibility_timeout_s=600)
        await queues.release_all()
    await queues.close()
    async with running(queue_app(never), tmp_path) as host:
        assert await eventually(lambda: receive(host.queues, "work-poison")) == "killer"


async def test_no_more_than_a_batch_and_the_threshold_run_at_once(tmp_path: Path) -> None:
    now = most = 0
    go_on, batch, done = asyncio.Event(), asyncio.Event(), asyncio.Event()
    left = 20

    async def work(_: func.QueueMessage) -> None:
        nonlocal now, most, left
        now += 1
        most = max(most, now)
        if now == 3:
            batch.set()
        await go_on.wait()
        now -= 1
        left -= 1
        if not left:
            done.set()

    host_json = {"version": "2.0", "extensions": {"queues": {"batchSize": 3, "newBatchThreshold": 2}}}
    queues = open_work_queues(tmp_path / "queue.db")
    for number in range(20):
        await queues("work").send(str(number))
    await queues.close()
    async with running(queue_app(work), tmp_path, host_json) as _host:
        async with asyncio.timeout(30):
            await batch.wait()
            go_on.set()
            await done.wait()
    assert 3 <= most <= 5


async def test_a_stop_lets_messages_end_and_leaves_the_rest(tmp_path: Path) -> None:
    began, may_end = asyncio.Event(), asyncio.Event()
    ended: list[str] = []

    async def work(message: func.QueueMessage) -> None:
        began.set()
        await may_end.wait()
        ended.append(message.get_body().decode())

    host_json = {"version": "2.0", "extensions": {"queues": {"batchSize": 1, "newBatchThreshold": 0}}}
    async with running(queue_app(work), tmp_path, host_json) as host:
        await host.queues("work").send("first")
        await began.wait()
        await host.queues("work").send("second")
        stopping = asyncio.create_task(host.host.stop())
        await asyncio.sleep(0)
        may_end.set()
        await stopping
        assert ended == ["first"]
        assert await receive(host.queues, "work") == "second"
        assert await receive(host.queues, "work") is None


# --- Admin ----------------------------------------------------------------------------------------------------------
async def test_admin_runs_functions_and_needs_the_master_key(tmp_path: Path) -> None:
    got: asyncio.Queue[Any] = asyncio.Queue()
    app = event_app(got.put)

    @app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
    async def yearly(timer: func.TimerRequest) -> None:
        await got.put(timer.past_due)

    @app.queue_trigger(arg_name="message", queue_name="admin", connection="C")
    async def queued(message: func.QueueMessage) -> None:
        await got.put(message.get_body())

    @app.route("http")
    async def http(req: func.HttpRequest) -> str:
        return "no"

    async def call(name: str, body: Any, headers: dict[str, str] | None = None) -> int:
        url = f"{host.url}/admin/functions/{name}"
        async with host.http.post(url, json=body, headers=MASTER if headers is None else headers) as answer:
            return answer.status

    async with running(app, tmp_path) as host:
        assert await call("yearly", {}) == 202
        assert await asyncio.wait_for(got.get(), 30) is False
        assert await call("queued", {"input": "text"}) == 202
        assert await asyncio.wait_for(got.get(), 30) == b"text"
        assert await call("on_event", {"input": json.dumps(EVENT)}) == 202
        assert await asyncio.wait_for(got.get(), 30) == EVENT
        assert await call("on_event", {"input": "not json"}) == 400
        assert await call("yearly", {"input": 7}) == 400
        assert await call("http", {"input": ""}) == 400
        assert await call("absent", {}) == 404
        for headers in ({}, KEY, {"x-functions-key": "wrong"}):
            assert await call("yearly", {}, headers) == 401
        assert (await get(host, "/admin/host/status", headers=MASTER))[0] == 200
        assert (await get(host, "/admin/host/status", headers=KEY))[0] == 401
        assert (await get(host, "/admin/host/ping"))[0] == 200
        assert (await get(host, "/admin/host/keys"))[0] == 401
