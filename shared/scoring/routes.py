"""Routes: which methods a path has, who answers them, and how a request's answer is sent."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shared.scoring.errors import InternalError, RequestError
from shared.scoring.http.exchange import Exchange
from shared.scoring.http.messages import Headers, Request, Response
from shared.scoring.logs import LOGGER
from shared.scoring.problems import azure

_COMPRESS_FROM_BYTES = 1_024  # smaller ones fit into one packet anyway

Answer = Callable[[Request, "Reply"], None]
Observe = Callable[["Reply", Response], None]


@dataclass(frozen=True, slots=True)
class Route:
    """A path, or a family of paths. `scores` counts against the limits and needs a key where keys are set."""

    name: str  # in metrics and logs
    methods: dict[bytes, Answer]
    problem: Callable[[RequestError], Response] = azure
    scores: bool = False


class Reply:
    """Sends the one answer of a request, with its ids, and reports it."""

    __slots__ = ("_exchange", "_observe", "headers", "ids", "model", "request", "route")

    def __init__(self, request: Request, exchange: Exchange, route: Route, observe: Observe) -> None:
        self._exchange = exchange
        self._observe: Observe | None = observe
        self.request = request
        self.route = route
        self.ids: Headers = ()
        self.headers: Headers = ()  # further ones of every answer
        self.model = ""

    def send(self, response: Response) -> None:
        """Send it; a later answer is ignored (a script that ends after its timeout)."""
        observe, self._observe = self._observe, None
        if observe is None:
            return
        if len(response.body) >= _COMPRESS_FROM_BYTES and b"gzip" in self.request.headers.get(b"accept-encoding", b""):
            _compress(response)
        response.headers = (*self.ids, *response.headers, *self.headers)
        observe(self, response)
        self._exchange.answer(response)

    def fail(self, error: RequestError) -> None:
        """Send what the route's clients are told of an error."""
        self.send(self.route.problem(error))

    def attempt(self, action: Callable[..., None], *arguments: Any) -> None:
        """Call what answers; what it raises is answered here."""
        try:
            action(*arguments)
        except RequestError as error:
            self.fail(error)
        except Exception:  # noqa: BLE001 - the boundary: a defect here must cost one answer, not the server
            LOGGER.exception("answering failed", extra={"request_id": self.request.id, "route": self.route.name})
            self.fail(InternalError("An unexpected internal error occurred. Check the logs for more info."))

    @property
    def elapsed_s(self) -> float:
        """Seconds since the request was read."""
        return time.perf_counter() - self.request.received_s


def _compress(response: Response) -> None:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)  # 31: with gzip's header; level 1 costs least
    response.body = packer.compress(response.body) + packer.flush()
    response.headers = (*response.headers, (b"Content-Encoding", b"gzip"), (b"Vary", b"Accept-Encoding"))
