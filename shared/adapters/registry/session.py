"""Requests to one registry: authorised when it asks, redirected with care, tried again; its failures are our errors."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import aiohttp
from yarl import URL

from shared.adapters.http_bodies import read_at_most
from shared.adapters.registry.auth import Credentials, authorization, check_secure, is_loopback, parse_challenges
from shared.errors import Invalid, NotFound, Permanent, Retryable
from shared.packaging.layout import READ_BYTES, parse_document

MAX_TRIES = 4  # of one step, the first included
MAX_REDIRECTS = 5
MAX_DELAY_S = 30.0  # whatever Retry-After says
MAX_ERROR_BYTES = 64 << 10
_REDIRECTS = (301, 302, 303, 307, 308)
_CODE = re.compile(r"[A-Z_]{1,64}\Z")  # distribution-spec 1.1, "Error Codes"
T = TypeVar("T")
Body = Callable[[], AsyncIterable[bytes]]  # called again for each try


class NotNow(Retryable):
    """The registry asks to come back later."""

    def __init__(self, message: str, after_s: float | None = None) -> None:
        super().__init__(message, remedy="try again later")
        self.after_s = after_s


@dataclass(frozen=True, slots=True)
class Options:
    """How a registry is spoken to."""

    registry: str  # HOST or HOST:PORT
    credentials: Credentials | None = None
    ssl_context: ssl.SSLContext | None = None  # None: the system's certificates, and http on this machine
    connect_timeout_s: float = 10.0
    progress_timeout_s: float = 120.0  # without a byte, in either direction
    retry_delay_s: float = 0.5  # before the second try; doubled each time


class Session:
    """The requests of one operation on one repository."""

    def __init__(self, http: aiohttp.ClientSession, options: Options, scope: str) -> None:
        plain = options.ssl_context is None and is_loopback(URL(f"https://{options.registry}").host)
        self.root = URL(f"{'http' if plain else 'https'}://{options.registry}/v2/")
        self._http, self._options, self._scope = http, options, scope
        self._authorization: str | None = None

    async def tried(self, step: Callable[[], Awaitable[T]]) -> T:
        """What `step` gives, tried up to MAX_TRIES times as long as it raises Retryable."""
        for attempt in range(MAX_TRIES - 1):
            try:
                return await step()
            except Retryable as error:
                after_s = error.after_s if isinstance(error, NotNow) else None
                await asyncio.sleep(self._options.retry_delay_s * 2**attempt if after_s is None else after_s)
        return await step()

    @asynccontextmanager
    async def request(
        self,
        method: str,
        url: URL,
        what: str,
        *,
        expected: tuple[int, ...],
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer, whose status is one of `expected`; `what` is its name in messages. GET and HEAD follow redirects.
        The Authorization header goes to the registry itself alone. Raises NotFound, NotNow, Permanent, Invalid, also
        while the answer is read."""
        try:
            async with asyncio.timeout(None) as stalled:
                sent = self._watched(body, stalled) if body else None
                for _ in range(MAX_REDIRECTS + 1):
                    async with self._authorized(method, url, headers or {}, sent) as response:
                        if method not in ("GET", "HEAD") or response.status not in _REDIRECTS:
                            await _check(response, what, expected)
                            yield response
                            return
                        url = self.joined(url, response.headers.get("Location", ""))
        except aiohttp.ClientConnectorCertificateError:
            raise Invalid(f"the certificate of {url.host} is not accepted", remedy="trust its issuer") from None
        except aiohttp.InvalidURL:  # its text holds the query
            raise Invalid(f"the registry {self._options.registry} answered with what is no URL") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NotNow(f"{what}: the registry {self._options.registry} broke off: {type(error).__name__}") from None
        raise Invalid(f"{what}: redirected more than {MAX_REDIRECTS} times")

    def _watched(self, body: Body, stalled: asyncio.Timeout) -> Body:
        """A body whose sending ends `stalled` when nobody takes the next piece: aiohttp has no limit for that."""
        loop, limit_s = asyncio.get_running_loop(), self._options.progress_timeout_s

        async def pieces() -> AsyncIterator[bytes]:
            async for piece in body():
                stalled.reschedule(loop.time() + limit_s)
                yield piece
            stalled.reschedule(None)

        return pieces

    def joined(self, url: URL, location: str) -> URL:
        """The URL of a Location header (RFC 9110, section 10.2.2). Raises Invalid for one that is not safe."""
        try:
            target = url.join(URL(location, encoded=True))
        except ValueError:
            target = None
        if target is None or not location or not target.host:
            raise Invalid(f"the registry {self._options.registry} answered with a Location that is no URL")
        check_secure(target, self.root)
        return target

    @asynccontextmanager
    async def _authorized(
        self, method: str, url: URL, headers: Mapping[str, str], body: Body | None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        own = url.origin() == self.root.origin()
        if own:
            async with self._send(method, url, headers, body, self._authorization) as response:
                challenge = None
                if response.status == 401:  # not yet authorised, or the token has expired
                    challenge = parse_challenges(response.headers.getall("WWW-Authenticate", ()))
                if challenge is None:
                    yield response
                    return
            given = self._options.credentials
            self._authorization = await authorization(self._http, self.root, challenge, given, self._scope)
        async with self._send(method, url, headers, body, self._authorization if own else None) as response:
            yield response

    def _send(
        self, method: str, url: URL, headers: Mapping[str, str], body: Body | None, authorization: str | None
    ) -> aiohttp.client._RequestContextManager:
        every = {**headers, "Authorization": authorization} if authorization else headers
        data = body() if body else None
        return self._http.request(method, url, headers=every, data=data, allow_redirects=False)


@asynccontextmanager
async def session(options: Options, repository: str, actions: str) -> AsyncIterator[Session]:
    """A session that may do `actions` ("pull" or "pull,push") in one repository."""
    timeout = aiohttp.ClientTimeout(connect=options.connect_timeout_s, sock_read=options.progress_timeout_s)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=options.ssl_context or True),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept-Encoding": "identity", "User-Agent": "slipway"},
        timeout=timeout,
        auto_decompress=False,
        trust_env=False,
    ) as http:
        yield Session(http, options, f"repository:{repository}:{actions}")


async def pieces(response: aiohttp.ClientResponse, what: str) -> AsyncIterator[bytes]:
    """The body. Raises NotNow when it breaks off."""
    try:
        async for piece in response.content.iter_chunked(READ_BYTES):
            yield piece
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise NotNow(f"{what} broke off: {type(error).__name__}") from None


async def _check(response: aiohttp.ClientResponse, what: str, expected: tuple[int, ...]) -> None:
    status = response.status
    if status in expected:
        return
    code = await _error_code(response)
    shown = f"{what}: the registry {response.url.authority} answered with status {status}{f' ({code})' if code else ''}"
    if status == 404:
        raise NotFound(shown, remedy="check the repository and the tag or digest")
    if status in (408, 425, 429) or status >= 500:
        raise NotNow(shown, _after_s(response.headers.get("Retry-After", "")))
    if status in (401, 403):
        raise Permanent(shown, remedy="give credentials that may do this in this repository")
    raise Permanent(shown, remedy="check that it is a registry of the OCI distribution protocol that takes images")


async def _error_code(response: aiohttp.ClientResponse) -> str:
    """The code alone: the text beside it is the registry's, and could repeat what it was sent."""
    content = await read_at_most(response.content, MAX_ERROR_BYTES)
    try:
        errors = parse_document(content, "the error").get("errors")
    except Invalid:
        return ""
    first = errors[0] if isinstance(errors, list) and errors else None
    code = first.get("code") if isinstance(first, dict) else None
    return code if isinstance(code, str) and _CODE.match(code) else ""


def _after_s(value: str) -> float | None:
    """Seconds only: the other form of RFC 9110, section 10.2.3, a date, needs the registry's clock."""
    return min(float(value), MAX_DELAY_S) if re.fullmatch(r"[0-9]{1,9}", value) else None
