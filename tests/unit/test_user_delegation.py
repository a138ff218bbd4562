"""Signed URLs of an identity: the user delegation key comes from the service, over TLS, as Azurite cannot do it."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web
from azure.core.credentials import AccessToken

from shared.adapters.azure.blob_service import open_blob_service
from shared.adapters.azure.upload_area import AzureUploadArea
from shared.adapters.local.clock import ManualClock
from tests.doubles.tls import loopback_tls

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Identity:
    """A credential that azure-core accepts."""

    async def get_token(self, *scopes: str, **options: object) -> AccessToken:
        return AccessToken("the token", 2**33)

    async def close(self) -> None: ...

    async def __aenter__(self) -> Identity:
        return self

    async def __aexit__(self, *exception: object) -> None: ...


class KeyService:
    """Get User Delegation Key (REST API reference), and nothing else."""

    def __init__(self) -> None:
        self.given = 0

    async def give(self, request: web.Request) -> web.Response:
        assert request.query["comp"] == "userdelegationkey"
        assert request.headers["authorization"] == "Bearer the token"
        self.given += 1
        text = await request.text()
        start, expiry = (text.split(f"<{name}>")[1].split("<")[0] for name in ("Start", "Expiry"))
        value = base64.b64encode(b"k" * 32).decode()
        body = (
            f"<?xml version='1.0'?><UserDelegationKey><SignedOid>oid{self.given}</SignedOid><SignedTid>tid</SignedTid>"
            f"<SignedStart>{start}</SignedStart><SignedExpiry>{expiry}</SignedExpiry><SignedService>b</SignedService>"
            f"<SignedVersion>2025-01-05</SignedVersion><Value>{value}</Value></UserDelegationKey>"
        )
        return web.Response(text=body, content_type="application/xml")


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[tuple[KeyService, str]]:
    keys, (context, _) = KeyService(), loopback_tls(tmp_path)
    app = web.Application()
    app.router.add_post("/account/", keys.give)
    app.router.add_post("/account", keys.give)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield keys, f"https://127.0.0.1:{runner.addresses[0][1]}/account"
    await runner.cleanup()


async def test_urls_are_signed_with_a_key_that_outlives_them(service: tuple[KeyService, str]) -> None:
    keys, account_url = service
    clock = ManualClock(NOW)
    async with open_blob_service(account_url, Identity(), connection_verify=False) as client:
        area = AzureUploadArea(client, clock)
        urls = [await area.upload_url("staging", "a b/größe.onnx", expires_in_s=3600) for _ in range(2)]
        assert keys.given == 1
        clock.advance(23.5 * 3600)
        urls.append(await area.upload_url("staging", "a", expires_in_s=3600))
        assert keys.given == 2
    queries = [parse_qs(urlsplit(url.url).query) for url in urls]
    assert [query["skoid"] for query in queries] == [["oid1"], ["oid1"], ["oid2"]]
    assert queries[0]["se"] == ["2026-11-23T13:00:00Z"]
    assert queries[0]["sp"] == ["cw"]
    assert queries[0]["sr"] == ["b"]
    assert queries[0]["spr"] == ["https"]
    assert urls[0].expires_at == NOW + timedelta(hours=1)
    for query in queries:
        assert query["ske"] >= query["se"]
        assert query["skv"] == ["2025-01-05"]
        assert len(base64.b64decode(query["sig"][0])) == 32
