"""The Logs Ingestion API of Azure Monitor, version 2023-01-01, as far as one data collection rule is concerned.

Source: Azure Monitor's REST reference: POST /dataCollectionRules/{immutable id}/streams/{stream}, 204 with no body; 403
for an identity without rights, 404 for a rule or stream that is not there, 413 beyond 1 MB, 429 with Retry-After.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.doubles.tokens import TokenDouble
from tests.doubles.webhook_receiver import serving

RESOURCE = "https://monitor.azure.com"
MAX_BYTES = 2**20
COLUMNS = {
    "TimeGenerated": str, "Id": str, "Title": str, "Monitor": str, "Endpoint": str, "Signal": str, "RunId": str,
    "Announcement": str, "Severity": str, "Findings": list, "FindingsLeftOut": int, "Reason": str,
}  # fmt: skip


class LogsIngestion:
    """`rows` is what its table holds; `refusals` are the statuses that the next requests are answered with."""

    def __init__(self, tokens: TokenDouble, rule_id: str, stream: str) -> None:
        self.rows: list[dict[str, Any]] = []
        self.refusals: list[int] = []
        self.url = ""
        self._tokens, self._rule_id, self._stream = tokens, rule_id, stream

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Serve it on loopback."""
        app = web.Application(client_max_size=2 * MAX_BYTES)
        app.router.add_post("/dataCollectionRules/{rule}/streams/{stream}", self._take)
        async with serving(app) as self.url:
            yield

    async def _take(self, request: web.Request) -> web.Response:
        if self.refusals:
            status = self.refusals.pop(0)
            return web.Response(status=status, headers={"Retry-After": "1", "Location": self.url})
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not self._tokens.is_for(token, RESOURCE):
            return web.json_response({"error": {"code": "OperationFailed"}}, status=403)
        if (request.match_info["rule"], request.match_info["stream"]) != (self._rule_id, self._stream):
            return web.json_response({"error": {"code": "NotFound"}}, status=404)
        body = await request.read()
        wrong = request.query.get("api-version") != "2023-01-01" or request.content_type != "application/json"
        rows = json.loads(body)
        if wrong or not isinstance(rows, list):
            return web.json_response({"error": {"code": "InvalidRequest"}}, status=400)
        if len(body) > MAX_BYTES:
            return web.json_response({"error": {"code": "ContentLengthLimitExceeded"}}, status=413)
        self.rows += [
            {name: row[name] for name, kind in COLUMNS.items() if isinstance(row.get(name), kind)} for row in rows
        ]
        return web.Response(status=204)
