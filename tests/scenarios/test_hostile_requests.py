"""Keys, headers, methods and queries that are wrong on purpose: each gets its right 4xx, none a 5xx."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from shared.api.operations import OPERATIONS
from tests.scenarios.hostile import CLIENT_ERRORS, attacked_host, ensure_victim, refused
from tests.scenarios.local_host import LocalHost
from tests.scenarios.raw_http import exchange
from tests.scenarios.rest import document, get, push


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHost]:
    with attacked_host(tmp_path_factory.mktemp("requests")) as attacked:
        yield attacked


@pytest.fixture(autouse=True)
async def victim(host: LocalHost) -> dict[str, Any]:
    return await ensure_victim(host)


async def test_changes_need_the_etag_of_what_was_read(host: LocalHost, victim: dict[str, Any]) -> None:
    async with host.client() as http:
        url = "/api/models/victim/versions/1"
        async with http.get(url) as answer:
            etag = answer.headers["ETag"]
        patch = {"tags": {"owner": "thief"}}
        for wrong in ('"wrong"', "wrong", f"W/{etag}", '""', "a" * 4000, "ü", f"{etag}, {etag}"):
            async with http.patch(url, json=patch, headers={"If-Match": wrong}) as answer:
                await refused(answer, 412)
        for missing in ({}, {"If-Match": ""}, {"If-None-Match": etag}):
            async with http.patch(url, json=patch, headers=missing) as answer:
                await refused(answer, 428)
        assert await get(http, url) == victim
        async with http.patch(url, json={"tags": {"seen": "1"}}, headers={"If-Match": etag}) as answer:
            await document(answer, 200)
        async with http.patch(url, json=patch, headers={"If-Match": etag}) as answer:
            await refused(answer, 412)  # it was right, but is used up


FORGED = ["", "x", "default", "a" * 4_000, "%00", "ü", "null", "\udcff\udcfe"]


@pytest.mark.parametrize("operation_id", [op.id for op in OPERATIONS.values() if not op.anonymous])
async def test_every_operation_needs_a_key(host: LocalHost, operation_id: str) -> None:
    operation = OPERATIONS[operation_id]
    path = operation.path.replace("{*path}", "model.onnx").replace("{name}", "victim").replace("{version}", "1")
    path = "/api/" + path.replace("{kind}", "upload").replace("{upload_id}", "u-00000000")
    secrets = host.secrets
    others = [secrets["eventgrid_key"], secrets["topic_key"], secrets["url_signing_key"]]
    for key in (*FORGED, *others, secrets["host_keys"]["default"][:-1], secrets["host_keys"]["default"] + "x"):
        length = {"Content-Length": "0"}
        answer = await exchange(host.url, operation.method, path, {"x-functions-key": key, **length})
        assert answer.status == 401, key
        if key.isascii() and key.isprintable():
            answer = await exchange(host.url, operation.method, f"{path}?code={key}", length)
            assert answer.status == 401, key


async def test_each_endpoint_has_its_own_key(host: LocalHost) -> None:
    secrets = host.secrets
    wrong = {"x-functions-key": secrets["host_keys"]["default"], "Content-Length": "2"}
    notification = {**wrong, "aeg-event-type": "Notification"}
    event_grid = "/runtime/webhooks/eventgrid?functionName=storage_event"
    for method, path, headers, status in (
        ("POST", event_grid, notification, 401),
        ("POST", f"{event_grid}&code=x", {"Content-Length": "2"}, 401),
        ("POST", event_grid.replace("storage_event", "nobody"), wrong, 401),
        (
            "POST",
            f"/runtime/webhooks/eventgrid?functionName=nobody&code={secrets['eventgrid_key']}",
            {"Content-Length": "2"},
            404,
        ),
        (
            "POST",
            f"/runtime/webhooks/eventgrid?functionName=Storage_Event&code={secrets['eventgrid_key']}",
            {"Content-Length": "2"},
            404,
        ),
        (
            "POST",
            f"/runtime/webhooks/eventgrid?functionName=health&code={secrets['eventgrid_key']}",
            {"Content-Length": "2"},
            404,
        ),
        ("GET", "/admin/host/status", wrong, 401),
        ("POST", "/admin/functions/sweep_outbox", wrong, 401),
        ("POST", "/admin/functions/nobody", {**wrong, "x-functions-key": secrets["master_key"]}, 404),
        ("POST", "/topics/slipway/api/events?api-version=2018-01-01", wrong, 401),
        ("POST", "/topics/slipway/api/events?api-version=2018-01-01", {**wrong, "aeg-sas-key": "x"}, 401),
    ):
        assert (await exchange(host.url, method, path, headers, b"[]")).status == status, (method, path)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/api/models/victim"),
        ("PUT", "/api/models"),
        ("POST", "/api/health"),
        ("TRACE", "/api/models"),
        ("GET", "/api/nothing"),
        ("GET", "/api"),
        ("GET", "/"),
        ("GET", "/api/models/victim/versions/1/more"),
        ("GET", "/models"),
        ("GET", "//api/models"),
        ("GET", "/api/../secrets.json"),
        ("GET", "/secrets.json"),
        ("GET", "/uploads/"),
        ("GET", "/blobs/uploads/"),
        ("GET", "/%00"),
        ("GET", "/%ff%fe/%c0%ae%c0%ae/"),
        ("GET", "/" + "a/" * 3000),
    ],
)
async def test_what_is_not_there_is_404(host: LocalHost, method: str, path: str) -> None:
    key = {"x-functions-key": host.secrets["master_key"], "Content-Length": "0"}
    assert (await exchange(host.url, method, path, key)).status == 404


@pytest.mark.parametrize("listing", ["models", "uploads", "events", "models/victim/versions"])
async def test_hostile_queries_are_refused(host: LocalHost, listing: str) -> None:
    queries = [f"limit={limit}" for limit in ("0", "-1", "1001", "1e3", "NaN", "%00", "9" * 5000, quote("٣"), "1;drop")]
    queries += [f"continuation={text}" for text in ("x", "%00", "%ff", "a" * 5000, "'--", "W10%3D", "bnVsbA%3D%3D")]
    queries += [f"since={text}" for text in ("x", "%00", "0001-01-01T00:00:00%2B23:59", "9" * 30)] * (
        listing == "events"
    )
    key = {"x-functions-key": host.secrets["host_keys"]["default"]}
    for query in queries:
        answer = await exchange(host.url, "GET", f"/api/{listing}?{query}", key)
        assert answer.status in (400, 422), (query, answer)
        assert answer.headers["content-type"] == "application/problem+json"


async def test_odd_filters_find_nothing(host: LocalHost) -> None:
    key = {"x-functions-key": host.secrets["host_keys"]["default"]}
    for query in ("type=%00", "type=%27%20OR%201=1--", "subject_prefix=%25", "subject_prefix=%00", "subject_prefix=_"):
        answer = await exchange(host.url, "GET", f"/api/events?{query}", key)
        assert (answer.status, answer.json()["items"]) == (200, []), query
    for query in ("type=%ed%a0%80", "subject_prefix=%ff%fe", "since=%ff", "continuation=%ed%a0%80"):
        answer = await exchange(host.url, "GET", f"/api/events?{query}", key)
        assert answer.status == 200 or answer.status in CLIENT_ERRORS, (query, answer)


async def test_request_headers_are_not_trusted(host: LocalHost) -> None:
    spoofed = {
        "X-MS-CLIENT-PRINCIPAL-NAME": "admin@example.com",
        "X-MS-CLIENT-PRINCIPAL-ID": "1",
        "X-MS-CLIENT-PRINCIPAL": "eyJuYW1lIjoiYWRtaW4ifQ==",
        "X-MS-TOKEN-AAD-ID-TOKEN": "x",
        "X-Forwarded-For": "10.0.0.1",
        "X-HTTP-Method-Override": "DELETE",
    }
    async with host.client() as http:
        http.headers.update(spoofed)
        version = await push(http, "spoofed", {"model.onnx": b"model"})
        assert (version["created_by"], version["modified_by"]) == ("default", "default")
        history = await get(http, "/api/models/spoofed/versions/1/history")
        assert {record["cause"]["actor"] for record in history["items"]} == {"default"}


@pytest.mark.parametrize("request_id", ["a" * 5000, "ü", "\udcff", "\x07", "a\tb", "<script>", '"'])
async def test_a_request_id_cannot_break_the_answer(host: LocalHost, request_id: str) -> None:
    key = {"x-functions-key": host.secrets["host_keys"]["default"], "x-ms-client-request-id": request_id}
    answer = await exchange(host.url, "GET", "/api/models/nobody/versions/1", key)
    assert answer.status in (400, 404)
    assert len(answer.headers.get("x-ms-request-id", "")) <= 128


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "http://169.254.169.254/latest",
        "http://example.com/hook",
        "https://user:password@example.com/",
        "https://",
        "http://127.0.0.1:99999/",
        "http://[::1/",
        "javascript:alert(1)",
        "http://127.0.0.1:1/ HTTP/1.1\r\nX-Injected: yes",
        "http://127.0.0.1.example.com/",
        "//127.0.0.1/",
        "x" * 3000,
    ],
)
async def test_a_subscription_to_a_hostile_url_is_refused(host: LocalHost, url: str) -> None:
    async with host.client() as http:
        async with http.put("/api/subscriptions/hostile", json={"endpoint_url": url}) as answer:
            assert (await refused(answer, 422))["faults"]
        assert await get(http, "/api/subscriptions") == {"items": []}
