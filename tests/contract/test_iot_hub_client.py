"""The hub's REST API: ETags, tokens that end, and every kind of answer as one of Slipway's errors."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest
from aiohttp import web

from shared.adapters.azure.hub_tokens import EntraHubTokens
from shared.adapters.iot_edge.client import HubClient
from shared.adapters.iot_edge.sas_tokens import LIFETIME_S, SasTokens
from shared.deployment_targets.iot_edge.configurations import Configuration
from shared.errors import AlreadyExists, Invalid, NotFound, Permanent, Retryable, SlipwayError, Unauthorized
from tests.doubles.iot_hub import KEY, POLICY, HubDouble, fault, iot_hub_double, nothing
from tests.doubles.kubernetes_faults import ExpiringCredential

ONE = Configuration("one-1", {"modulesContent": {"$edgeAgent": {}}}, {"a": "b"}, "tags.x = 1", 3)


@pytest.fixture
async def double(tmp_path: Path) -> AsyncIterator[HubDouble]:
    async with iot_hub_double(tmp_path) as found:
        yield found


@pytest.fixture
def client(double: HubDouble) -> HubClient:
    return HubClient(double.host, sas(double), double.authority, timeout_s=10)


def sas(double: HubDouble, now_s: float | None = None) -> SasTokens:
    return SasTokens(double.host, POLICY, lambda: KEY, (lambda: now_s) if now_s else time.time)


async def test_configurations_are_made_changed_by_etag_and_deleted(client: HubClient, double: HubDouble) -> None:
    made = await client.put(ONE, None)
    assert made.configuration == ONE
    with pytest.raises(AlreadyExists, match="ConfigurationAlreadyExists"):
        await client.put(ONE, None)
    changed = await client.put(replace(ONE, priority=4), made.etag)
    assert (changed.configuration.priority, changed.etag != made.etag) == (4, True)
    assert changed.created_at == made.created_at < changed.updated_at
    with pytest.raises(Retryable, match="412 PreconditionFailed"):
        await client.put(ONE, made.etag)
    with pytest.raises(Retryable, match="412"):
        await client.delete(ONE.id, made.etag)
    with pytest.raises(Invalid, match="content cannot be changed"):
        await client.put(replace(ONE, content={"modulesContent": {"$edgeAgent": {"x": {}}}}), changed.etag)
    assert await client.get(ONE.id) == changed
    assert [one.configuration.id for one in (await client.list())[0]] == [ONE.id]
    await client.delete(ONE.id, changed.etag)
    await client.delete(ONE.id, changed.etag)
    assert await client.get(ONE.id) is None
    with pytest.raises(NotFound):
        await client.put(ONE, changed.etag)


async def test_a_condition_that_is_none_is_said_with_the_hubs_words(client: HubClient) -> None:
    with pytest.raises(Invalid, match=r"400 ArgumentInvalid.*the query is wrong"):
        await client.put(replace(ONE, condition="tags.x ="), None)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "ArgumentInvalid", Invalid),
        (403, "IotHubUnauthorizedAccess", Unauthorized),
        (403, "IotHubQuotaExceeded", Retryable),
        (404, "IotHubNotFound", NotFound),
        (418, "Teapot", Permanent),
        (429, "ThrottlingException", Retryable),
        (500, "ServerError", Retryable),
        (503, "ServiceUnavailable", Retryable),
    ],
)
async def test_answers_are_translated(
    client: HubClient, double: HubDouble, status: int, code: str, kind: type[SlipwayError]
) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return fault(status, code, "said")

    double.before = answer
    with pytest.raises(kind, match=f"listing deployments: the hub answered {status} {code}") as caught:
        await client.list()
    assert type(caught.value) is kind


async def test_a_hub_that_asks_to_wait_is_left_alone_until_then(client: HubClient, double: HubDouble) -> None:
    async def throttled(_request: web.Request) -> web.Response:
        answer = fault(429, "ThrottlingException", "too many")
        answer.headers["Retry-After"] = "1"
        return answer

    double.before = throttled
    with pytest.raises(Retryable, match="429"):
        await client.list()
    double.requests.clear()
    with pytest.raises(Retryable, match="asked to wait for 1 s"):
        await client.list()
    assert double.requests == []
    double.before = nothing
    async with asyncio.timeout(30):
        while True:
            try:
                await client.list()
                break
            except Retryable:
                await asyncio.sleep(0.05)


async def test_what_is_no_answer_of_a_hub_is_tried_again(client: HubClient, double: HubDouble) -> None:
    pages = [
        web.Response(text="<html>sign in</html>", content_type="text/html"),
        web.json_response({"value": []}),
        web.json_response([{"name": "x"}]),
        web.Response(status=502, text="<html>bad gateway</html>"),
    ]

    async def answer(_request: web.Request) -> web.Response:
        return pages.pop(0)

    double.before = answer
    while pages:
        with pytest.raises(Retryable):
            await client.list()


async def test_a_hub_that_is_late_or_not_the_one_is_retryable(double: HubDouble, tmp_path: Path) -> None:
    async def late(_request: web.Request) -> None:
        await asyncio.sleep(2)

    double.before = late  # type: ignore[assignment]
    with pytest.raises(Retryable, match="TimeoutError"):
        await HubClient(double.host, sas(double), double.authority, timeout_s=0.2).list()
    with pytest.raises(Retryable, match=r"cannot be reached.*Certificate"):
        await HubClient(double.host, sas(double)).list()
    with pytest.raises(Invalid, match="no PEM"):
        await HubClient(double.host, sas(double), str(tmp_path / "absent.pem")).list()


async def test_a_redirect_is_not_followed_with_the_token(client: HubClient, double: HubDouble) -> None:
    async def moved(_request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": f"https://{double.host}/configurations/elsewhere"})

    double.before = moved
    with pytest.raises(Permanent, match="307"):
        await client.list()
    assert len(double.requests) == 1


async def test_secrets_that_are_repeated_do_not_get_out(double: HubDouble) -> None:
    async def repeat(request: web.Request) -> web.Response:
        return fault(400, "ArgumentInvalid", f"you said {request.headers['Authorization']}")

    double.before = repeat
    double.tokens = {"a-token-of-entra"}
    credential = ExpiringCredential(double)
    for tokens in (sas(double), EntraHubTokens(credential)):
        with pytest.raises(Invalid, match="you said") as caught:
            await HubClient(double.host, tokens, double.authority).list()
        said = (await tokens.authorization()).rpartition(" ")[2]
        assert said not in str(caught.value)
        assert unquote(said.partition("sig=")[2].partition("&")[0]) not in str(caught.value) or "sig=" not in said
        assert KEY not in repr(vars(tokens))


def test_a_signature_is_that_of_the_hubs_documentation() -> None:
    """sr and the end, each on a line, under HMAC SHA-256 by the decoded key."""
    tokens = SasTokens("hub.example:443", "service", lambda: KEY, lambda: 1000.0)
    token = asyncio.run(tokens.authorization())
    signed = hmac.new(base64.b64decode(KEY), b"hub.example\n4600", hashlib.sha256).digest()
    parts = dict(part.split("=", 1) for part in token.removeprefix("SharedAccessSignature ").split("&"))
    assert {**parts, "sig": unquote(parts["sig"])} == {
        "sr": "hub.example",
        "sig": base64.b64encode(signed).decode(),
        "se": "4600",
        "skn": "service",
    }


async def test_tokens_are_renewed_before_they_end_and_after_the_key_changed(double: HubDouble) -> None:
    now_s, key = time.time(), KEY
    tokens = SasTokens(double.host, POLICY, lambda: key, lambda: now_s)
    client = HubClient(double.host, tokens, double.authority)
    await client.list()
    first = await tokens.authorization()
    assert first == await tokens.authorization()
    now_s += LIFETIME_S - 60
    assert first != await tokens.authorization()
    key = double.keys[POLICY] = base64.b64encode(b"another key").decode()
    double.requests.clear()
    await client.list()  # refused once with what the former key had signed
    assert len(double.requests) == 2
    double.keys.clear()
    with pytest.raises(Unauthorized, match="401") as caught:
        await client.list()
    assert "sas_policy" in str(caught.value.remedy)
    key = "no base64!"
    now_s += LIFETIME_S
    with pytest.raises(Invalid, match="no base64") as wrong:
        await client.list()
    assert key not in str(wrong.value.message)


async def test_tokens_of_entra_id_that_end_in_the_middle_are_renewed(double: HubDouble) -> None:
    credential = ExpiringCredential(double)
    client = HubClient(double.host, EntraHubTokens(credential), double.authority)
    await client.put(ONE, None)

    async def expire(_request: web.Request) -> web.Response | None:
        if credential.number > 1:
            return None
        credential.expire()
        return fault(401, "IotHubUnauthorizedAccess", "the token has expired")

    double.before = expire
    assert len((await client.list())[0]) == 1
    assert credential.number == 2
