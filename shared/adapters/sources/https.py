"""ModelSource over https: one file a URL, from hosts that the settings allow."""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import unquote

import aiohttp
from yarl import URL

from shared.adapters.sources.addresses import CheckedResolver, HostResolver, SystemResolver, check_address
from shared.adapters.sources.allowed_hosts import check_url, literal_address, parse_hosts
from shared.errors import Conflict, Invalid, NotFound, Permanent, Retryable, TooLarge
from shared.paths import is_valid_part
from shared.ports import SourceObject
from shared.sources.uris import without_query

MAX_REDIRECTS = 5
MAX_TRIES = 4  # of one file, the first included
CONNECT_TIMEOUT_S = 10.0
PROGRESS_TIMEOUT_S = 60.0
READ_BYTES = 1 << 20
_REDIRECTS = (301, 302, 303, 307, 308)
_CONTENT_RANGE = re.compile(r"bytes ([0-9]+)-([0-9]+)/([0-9]+)\Z")


class HttpsSource:
    """Redirects are followed by hand, each checked like the first URL; no proxy, cookies or compression."""

    def __init__(
        self,
        hosts: str,
        *,
        max_bytes: int,
        allow_loopback: bool = False,
        resolver: HostResolver | None = None,
        ssl_context: ssl.SSLContext | None = None,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        progress_timeout_s: float = PROGRESS_TIMEOUT_S,
    ) -> None:
        """`hosts` as in the setting; `ssl_context` None: the system's certificates."""
        self._hosts = parse_hosts(hosts)
        self._max_bytes = max_bytes
        self._allow_loopback = allow_loopback
        self._resolver = resolver or SystemResolver()
        self._ssl = ssl_context or ssl.create_default_context()
        self._timeout = aiohttp.ClientTimeout(connect=connect_timeout_s, sock_read=progress_timeout_s)

    async def list(self, uri: str) -> tuple[SourceObject, ...]:
        """See ModelSource. One object; a GET whose body is left unread, as signed URLs are for GET only."""
        name = self._file_name(uri)
        async with self._open(uri, {}) as response:
            size_bytes = response.content_length
            self._check_size(uri, size_bytes or 0)
            return (SourceObject(name, size_bytes, response.headers.get("ETag", "")),)

    async def read(self, uri: str, item: SourceObject) -> AsyncIterator[bytes]:
        """See ModelSource. What broke off is continued (RFC 9110, sections 13.1.5 and 14.2) where a strong ETag says
        that it is the same state."""
        offset = 0
        for attempt in range(1, MAX_TRIES + 1):
            try:
                async with self._open(uri, _conditions(item.version, offset)) as response:
                    self._check_state(uri, item, response, offset)
                    async for chunk in response.content.iter_chunked(READ_BYTES):
                        offset += len(chunk)
                        self._check_size(uri, offset)
                        yield chunk
            except Retryable:
                if attempt == MAX_TRIES or not _is_strong(item.version):
                    raise
                continue
            if item.size_bytes is not None and offset != item.size_bytes:
                raise Retryable(f"{without_query(uri)}: {offset} of {item.size_bytes} bytes arrived")
            return

    def _file_name(self, uri: str) -> str:
        name = unquote(check_url(uri, self._hosts).raw_path.rpartition("/")[2])
        if not is_valid_part(name) or "/" in name:
            raise Invalid(f"{without_query(uri)} does not end with a file's name")
        return name

    def _check_size(self, uri: str, size_bytes: int) -> None:
        if size_bytes > self._max_bytes:
            raise TooLarge(f"{without_query(uri)} has more than {self._max_bytes} bytes")

    def _check_state(self, uri: str, item: SourceObject, response: aiohttp.ClientResponse, offset: int) -> None:
        shown = without_query(uri)
        if item.version and response.headers.get("ETag", "") != item.version:
            raise Conflict(f"{shown} changed while it was read")
        if offset == 0:
            if None not in (item.size_bytes, response.content_length) and item.size_bytes != response.content_length:
                raise Conflict(f"{shown} changed while it was read")
            return
        match = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
        if response.status != 206 or match is None or int(match[1]) != offset:
            raise Retryable(f"{shown} broke off after {offset} bytes and does not continue")

    @asynccontextmanager
    async def _open(self, uri: str, headers: dict[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer to a GET, after its redirects. Raises shared.errors only, also from the reading of its body."""
        url = check_url(uri, self._hosts)
        try:
            for _ in range(MAX_REDIRECTS + 1):
                async with (
                    self._session(url) as session,
                    session.get(url, headers=headers, allow_redirects=False) as response,
                ):
                    if response.status not in _REDIRECTS:
                        _check_answer(uri, response, ranged="Range" in headers)
                        yield response
                        return
                    url = self._next(url, response.headers.get("Location", ""))
        except aiohttp.ClientConnectorCertificateError:
            raise Invalid(f"the certificate of {url.host} is not accepted") from None
        except aiohttp.InvalidURL:  # its text holds the query
            raise Invalid(f"{without_query(uri)} is no URL") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Retryable(f"{without_query(uri)} could not be read: {type(error).__name__}") from None
        raise Invalid(f"{without_query(uri)} redirects more than {MAX_REDIRECTS} times")

    def _session(self, url: URL) -> aiohttp.ClientSession:
        public = url.scheme == "https"  # plain http never leaves this machine
        if address := literal_address(url):  # the connector does not resolve these
            check_address(address, address, loopback=self._allow_loopback, public=public)
        resolver = CheckedResolver(self._resolver, loopback=self._allow_loopback, public=public)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, ssl=self._ssl, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept-Encoding": "identity", "User-Agent": "slipway"},
            timeout=self._timeout,
            auto_decompress=False,
            trust_env=False,
        )

    def _next(self, url: URL, location: str) -> URL:
        try:
            target = url.join(URL(location, encoded=True))
        except ValueError:
            raise Invalid(f"{without_query(str(url))} redirects to no URL") from None
        if not location or (url.scheme == "https" and target.scheme != "https"):
            raise Invalid(
                f"{without_query(str(url))} redirects to {without_query(str(target))} (allowed: an https URL)"
            )
        return check_url(str(target), self._hosts)


def _is_strong(version: str) -> bool:
    return version.startswith('"')  # a weak one starts with W/ (RFC 9110, section 8.8.3)


def _conditions(version: str, offset: int) -> dict[str, str]:
    if not _is_strong(version):
        return {}
    if not offset:
        return {"If-Match": version}
    return {"Range": f"bytes={offset}-", "If-Range": version}


def _check_answer(uri: str, response: aiohttp.ClientResponse, *, ranged: bool) -> None:
    shown, status = without_query(uri), response.status
    if status == 412:
        raise Conflict(f"{shown} changed while it was read")
    if status in (404, 410):
        raise NotFound(f"{shown} was not found: status {status}")
    if status in (408, 425, 429) or status >= 500:
        raise Retryable(f"{shown} cannot be read now: status {status}")
    if status in (401, 403):
        raise Permanent(f"{shown} may not be read: status {status}", remedy="use a signed URL that has not expired")
    if status != 200 and not (ranged and status == 206):
        raise Permanent(f"{shown} answered with status {status} (allowed: 200)")
    if response.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
        raise Permanent(f"{shown} is sent compressed although that was not asked for")
