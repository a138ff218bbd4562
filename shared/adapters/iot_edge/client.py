"""Configurations of an IoT hub by its REST API. Every call is made once more with a new token when it is refused."""

from __future__ import annotations

import json
import math
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from shared.adapters.http_bodies import read_at_most
from shared.adapters.iot_edge.errors import error_of
from shared.deployment_targets.iot_edge.configurations import Configuration, LiveConfiguration, live_configuration
from shared.deployment_targets.iot_edge.tokens import HubTokens
from shared.errors import Invalid, NotFound, Retryable

API_VERSION = "2021-04-12"
TIMEOUT_S = 30.0
TOP = 100  # a hub has no more configurations, and no pages of them
MAX_ANSWER_BYTES = 32 * 2**20
MAX_PAUSE_S = 300.0


@dataclass(frozen=True, slots=True)
class Answer:
    """Of the hub."""

    status: int
    body: bytes
    at: datetime  # by the hub's clock
    retry_after_s: float


class HubClient:
    """Every method raises Retryable, Unauthorized, and Permanent for what the hub refuses."""

    def __init__(
        self, hub: str, tokens: HubTokens, certificate_authority: str = "", *, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._hub = hub
        self._tokens = tokens
        self._authority = certificate_authority
        self._timeout_s = timeout_s
        self._tls: ssl.SSLContext | None = None
        self._not_before = -math.inf  # time.monotonic() that the hub asked to wait for

    async def list(self) -> tuple[list[LiveConfiguration], datetime]:
        """All that the hub has, and when, by its clock."""
        answer = await self._call("GET", f"?top={TOP}&api-version={API_VERSION}", "listing deployments")
        documents = _document(answer.body)
        if not isinstance(documents, list):
            raise Retryable("listing deployments: the hub's answer is no list")
        return [live_configuration(each) for each in documents], answer.at

    async def get(self, id_: str) -> LiveConfiguration | None:
        """One; None when there is none."""
        try:
            answer = await self._call("GET", _path(id_), f"reading the deployment {id_}")
        except NotFound:
            return None
        return live_configuration(_document(answer.body))

    async def put(self, one: Configuration, etag: str | None) -> LiveConfiguration:
        """Create it (`etag` None), or change the one that has the ETag. Raises AlreadyExists when it is there already,
        Retryable when it was changed meanwhile."""
        headers = {} if etag is None else {"If-Match": f'"{etag}"'}  # quoted: RFC 9110, section 8.8.3
        what = f"putting the deployment {one.id}"
        answer = await self._call("PUT", _path(one.id), what, headers, one.document())
        return live_configuration(_document(answer.body))

    async def delete(self, id_: str, etag: str) -> None:
        """Delete the one that has the ETag; nothing happens when it is gone."""
        try:
            await self._call("DELETE", _path(id_), f"deleting the deployment {id_}", {"If-Match": f'"{etag}"'})
        except NotFound:
            return

    async def _call(
        self, method: str, path: str, what: str, headers: Mapping[str, str] | None = None, body: Any = None
    ) -> Answer:
        for _ in range(2):
            authorization = await self._tokens.authorization()
            answer = await self._asked(method, path, what, {**(headers or {}), "Authorization": authorization}, body)
            if answer.status < 300:
                return answer
            if answer.status != 401:
                break
            self._tokens.refused(authorization)
        if answer.status in (429, 503):
            self._not_before = time.monotonic() + answer.retry_after_s
        raise error_of(answer.status, answer.body, what, authorization.rpartition(" ")[2])

    async def _asked(self, method: str, path: str, what: str, headers: Mapping[str, str], body: Any) -> Answer:
        import aiohttp

        wait_s = self._not_before - time.monotonic()
        if wait_s > 0:
            raise Retryable(f"{what}: the hub asked to wait for {wait_s:.0f} s more")
        timeout = aiohttp.ClientTimeout(total=self._timeout_s)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as http,
                http.request(
                    method,
                    f"https://{self._hub}/configurations{path}",
                    headers=headers,
                    json=body,
                    ssl=self._context(),
                    allow_redirects=False,
                ) as answer,
            ):
                read = await read_at_most(answer.content, MAX_ANSWER_BYTES)
                return Answer(answer.status, read, _date(answer.headers), _retry_after_s(answer.headers))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Retryable(f"{what}: the hub cannot be reached ({type(error).__name__})") from None

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            try:
                self._tls = ssl.create_default_context(cafile=self._authority or None)
            except (OSError, ValueError) as error:
                remedy = "see the compute's `certificate_authority`"
                raise Invalid(f"{self._hub}: no PEM to trust ({type(error).__name__})", remedy=remedy) from error
        return self._tls


def _path(id_: str) -> str:
    return f"/{quote(id_, safe='')}?api-version={API_VERSION}"


def _document(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise Retryable("the hub's answer is no JSON") from error


def _date(headers: Mapping[str, str]) -> datetime:
    """The hub's clock (RFC 9110, section 6.6.1); this machine's where it does not say."""
    try:
        return parsedate_to_datetime(headers.get("Date", "")).astimezone(UTC)
    except ValueError:
        return datetime.now(UTC)


def _retry_after_s(headers: Mapping[str, str]) -> float:
    """Seconds alone (RFC 9110, section 10.2.3): hubs give no dates."""
    said = headers.get("Retry-After", "").strip()
    return min(float(said), MAX_PAUSE_S) if said.isascii() and said.isdigit() else 0.0
