"""A request that waits for its answer, and who gives it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from shared.scoring.errors import RequestError
from shared.scoring.http.messages import Request, Response


class Exchange:
    """One request and the place of its answer among those of its connection."""

    __slots__ = ("_ready", "close", "head", "http_1_0", "response")

    def __init__(self, ready: Callable[[], None], *, head: bool, close: bool, http_1_0: bool) -> None:
        self._ready = ready
        self.head = head
        self.close = close
        self.http_1_0 = http_1_0
        self.response: Response | None = None

    def answer(self, response: Response) -> None:
        """Send it as soon as all earlier requests of the connection are answered. Only the first answer counts, and
        none when the client is gone."""
        if self.response is None:
            self.response = response
            self._ready()


class Handler(Protocol):
    """The application behind the protocol."""

    def handle(self, request: Request, exchange: Exchange) -> None:
        """Answer the exchange now or later, in the event loop. Raises nothing."""
        ...

    def refuse(self, request: Request | None, error: RequestError) -> Response:
        """The answer to what is no valid request; None when not even its headers were read."""
        ...
