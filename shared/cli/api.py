"""Requests to Slipway's REST API: retried while that can help, every refusal told as a CliError."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urljoin, urlsplit

import click

from shared.cli.connection import Connection, connect, is_loopback
from shared.cli.errors import CliError, ExitCode, problem_error
from shared.cli.options import Options

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

ATTEMPTS = 5
FIRST_DELAY_S = 0.2  # before the second attempt; doubles each time
CONNECT_TIMEOUT_S = 10.0
PAGE_SIZE = 1000  # the most the server gives at once


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer."""

    status: int
    document: Any = None  # None when there was no body
    headers: Mapping[str, str] = field(default_factory=dict)


def segment(text: str) -> str:
    """`text` as one segment of a URL's path. Raises click.UsageError for what a path cannot hold."""
    if text in ("", ".", ".."):
        raise click.UsageError(f"{text!r} is not a name")
    return quote(text, safe="")


class Api:
    """One server. Use it as a context manager."""

    def __init__(self, options: Options) -> None:
        self.timeout_s = options.timeout_s
        self.connection: Connection = connect(options)
        self._clients: dict[tuple[str, str], httpx.Client] = {}

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for client in self._clients.values():
            client.close()

    @property
    def client(self) -> httpx.Client:
        """The HTTP client for the API; sends no credentials of its own and follows no redirects."""
        return self.client_for(self.connection.base_url)

    def client_for(self, url: str) -> httpx.Client:
        """A client for the server of `url`: files may be on another than the API, with other certificates."""
        parts = urlsplit(url)
        server = (parts.scheme, parts.netloc)
        if server not in self._clients:
            self._clients[server] = new_client(url, self.timeout_s)
        return self._clients[server]

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """The document at `path` (below /api/)."""
        return self.call("GET", path, query=query).document

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer. Raises CliError for every error status and when no answer came."""
        url = f"{self.connection.base_url}/api/{path}"
        given = {name: value for name, value in (query or {}).items() if value not in (None, "")}

        def send() -> Answer:
            sent = {**self.connection.headers(), **(headers or {})}
            response = self.client.request(method, url, params=given, json=body, headers=sent)
            return _answer(response, f"{method} {url}")

        return self.retrying(send, repeatable=method != "DELETE")

    def pages(self, path: str, query: Mapping[str, Any] | None = None, *, limit: int | None = None) -> dict[str, Any]:
        """All pages of a listing as one: {"items", "continuation"}; `limit`: at most so many items."""
        items: list[Any] = []
        continuation: str | None = None
        while True:
            size = PAGE_SIZE if limit is None else min(PAGE_SIZE, limit - len(items))
            page = self.get(path, {**(query or {}), "limit": size, "continuation": continuation})
            items += page["items"]
            before, continuation = continuation, page.get("continuation")
            if continuation is not None and continuation == before:
                raise CliError(f"the server repeats the page {continuation!r} of {path}")
            if continuation is None or (limit is not None and len(items) >= limit):
                return {"items": items, "continuation": continuation}

    def absolute(self, url: str) -> str:
        """A URL from an answer; one without a host is on this server."""
        return urljoin(self.connection.base_url + "/", url)

    def retrying(self, step: Callable[[], T], *, repeatable: bool = True) -> T:
        """The result of `step`, tried again with back-off on 429, 503 and broken connections, for at most timeout_s.
        With `repeatable` False a request that may have been carried out already is not sent again."""
        return retried(step, self.connection.base_url, self.timeout_s, repeatable=repeatable)


def retried(step: Callable[[], T], server: str, timeout_s: float, *, repeatable: bool = True) -> T:
    """See Api.retrying; `server` is named in errors."""
    end = time.monotonic() + timeout_s
    attempt = 0
    while True:
        try:
            with _translated(server, repeatable=repeatable):
                return step()
        except CliError as error:
            attempt += 1
            wait_s = max(FIRST_DELAY_S * 2 ** (attempt - 1), error.retry_after_s)
            if not error.transient or attempt == ATTEMPTS or time.monotonic() + wait_s > end:
                raise
        time.sleep(wait_s)


def raise_for_status(response: httpx.Response, where: str) -> None:
    """Raise the CliError for an answer that is neither a success nor a redirection. The body must have been read."""
    if response.status_code < 400:
        return
    retry_after = response.headers.get("retry-after", "")
    retry_after_s = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0
    raise problem_error(response.status_code, _document(response), where, retry_after_s=retry_after_s)


def new_client(url: str, timeout_s: float) -> httpx.Client:
    """No proxy for this machine itself; certificates are loaded (which costs 20 ms) only where they are used."""
    import ssl

    from shared.cli.lean_httpx import httpx

    encrypted = url.startswith("https:")
    verify = ssl.create_default_context() if encrypted else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    timeout = httpx.Timeout(timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s))
    headers = {"User-Agent": "slipway-cli", "Accept": "application/json"}
    return httpx.Client(verify=verify, timeout=timeout, headers=headers, trust_env=not is_loopback(url))


def _answer(response: httpx.Response, where: str) -> Answer:
    raise_for_status(response, f"{where} was answered with status {response.status_code}")
    if response.is_redirect and response.status_code != 302:  # 302: where a model's file is
        raise CliError(f"{where} was answered with a redirect", remedy="check --url: give the address it leads to")
    document = _document(response)
    if document is None and response.content:
        remedy = "check --url: is this a Slipway server?"
        raise CliError(f"{where} was answered with something that is not JSON", remedy=remedy)
    return Answer(response.status_code, document, response.headers)


def _document(response: httpx.Response) -> Any:
    """The JSON document; None when the body is something else."""
    try:
        return response.json()
    except ValueError:
        return None


@contextmanager
def _translated(server: str, *, repeatable: bool) -> Iterator[None]:
    """Turns httpx's exceptions into CliError. URLs are not repeated: signed ones hold a secret."""
    from shared.cli.lean_httpx import httpx

    remedy = "is it running? `slipway up` starts one on this machine, --url names another"
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        message = f"{server} cannot be reached: {error or 'no answer'}"
        raise CliError(message, ExitCode.UNAVAILABLE, remedy=remedy, transient=True) from error
    except httpx.TimeoutException as error:
        message = f"{server} did not answer in time"
        raise CliError(message, ExitCode.UNAVAILABLE, remedy="try again, or give a longer --timeout-s") from error
    except httpx.TransportError as error:
        message = f"the connection to {server} broke: {error or type(error).__name__}"
        raise CliError(message, ExitCode.UNAVAILABLE, remedy="try again", transient=repeatable) from error
