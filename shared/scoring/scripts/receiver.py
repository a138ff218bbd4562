"""What azureml-ai-monitoring itself sends to: in Azure a container beside the script's, here a port of loopback.

Its sender posts a frame's rows to http://AZUREML_MDC_HOST:AZUREML_MDC_PORT/modeldata/log (azureml-ai-monitoring 1.0.0,
worker/sender.py); the headers ce-... say what they are.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import orjson

from shared.scoring.collector.collector import NOT_SAMPLED, DataCollector
from shared.scoring.errors import BadRequest, NotFound, RequestError, TooManyRequests
from shared.scoring.http.connections import Connections
from shared.scoring.http.exchange import Exchange
from shared.scoring.http.limits import Limits
from shared.scoring.http.messages import Request, Response
from shared.scoring.http.protocol import HttpProtocol
from shared.scoring.logs import LOGGER
from shared.scoring.problems import azure
from shared.scoring.scripts.shims import MONITORING, monitoring_package_is_there
from shared.scoring.settings import Settings

PATH = b"/modeldata/log"
HOST = "127.0.0.1"
FLUSH_S = 5.0  # that the package may take to send what it holds, at the end
_TYPE = "azureml.inference."
_KNOWN = frozenset({"ce-time", "ce-type", "ce-collect-data-type", "ce-agent", "ce-x-request-id", "ce-model-version"})


class Receiver:
    """Takes rows for the server's collector."""

    def __init__(self, collector: DataCollector, max_body_bytes: int) -> None:
        self._collector = collector
        self._connections = Connections(Limits(max_body_bytes=max_body_bytes))
        self._server: asyncio.Server | None = None

    async def listen(self) -> int:
        """The port it listens on."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: HttpProtocol(self, self._connections), HOST, 0)
        self._connections.start()
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Take what the package still holds, and end."""
        package = sys.modules.get(f"{MONITORING}.init")
        if package is not None:
            try:
                async with asyncio.timeout(FLUSH_S):
                    await asyncio.to_thread(package.teardown, wait_for_flush=True)
            except TimeoutError:
                LOGGER.error("collecting: %s did not send all it held within %g s", MONITORING, FLUSH_S)
        self._connections.stop()
        if self._server is not None:
            self._server.close()

    def handle(self, request: Request, exchange: Exchange) -> None:
        """See Handler."""
        try:
            self._take(request)
        except RequestError as error:
            LOGGER.error("collecting: %s", error.message)
            exchange.answer(self.refuse(request, error))
        else:
            exchange.answer(Response(200, b"{}"))

    def refuse(self, request: Request | None, error: RequestError) -> Response:
        """See Handler."""
        return azure(error)

    def _take(self, request: Request) -> None:
        if request.path != PATH or request.method != b"POST":
            raise NotFound(f"there is nothing at {request.path.decode('latin-1')}")
        kind = request.header(b"ce-type")
        collection = kind.removeprefix(_TYPE).lower()
        known = self._collector.plan.collections
        if not kind.startswith(_TYPE) or collection not in known:
            raise BadRequest(f"{kind or 'no ce-type'} is not collected; enabled are: {', '.join(sorted(known))}")
        correlation = request.header(b"ce-x-request-id") or request.header(b"trace-id")
        dropped = self._collector.offer_document(
            collection, request.body, correlation, correlation, moment_s=_moment(request), **_fields(request)
        )
        if dropped and dropped != NOT_SAMPLED:
            raise TooManyRequests(dropped)


def _moment(request: Request) -> float | None:
    text = request.header(b"ce-time")
    try:
        return float(text) if text else None
    except ValueError:
        raise BadRequest(f"ce-time is no number of seconds: {text[:40]!r}") from None


def _fields(request: Request) -> dict[str, Any]:
    """Fields of the line: what the package says of itself and of the data, and the headers of a script's context."""
    fields: dict[str, Any] = {
        "collectdatatype": request.header(b"ce-collect-data-type") or None,
        "agent": request.header(b"ce-agent") or None,
    }
    for name, value in request.headers.items():
        text = name.decode("latin-1")
        if text.startswith("ce-") and text not in _KNOWN:
            fields[text.removeprefix("ce-")] = value.decode("latin-1")
    try:
        orjson.loads(request.body)
    except orjson.JSONDecodeError:
        fields["datacontenttype"] = "text/plain"  # its compact format
    return fields


async def receiver_of(settings: Settings, collector: DataCollector | None) -> Receiver | None:
    """A listening one, named in the environment of the script; None when there is no script, nothing is collected, or
    azureml-ai-monitoring is not installed."""
    if collector is None or not settings.entry_script or not monitoring_package_is_there():
        return None
    receiver = Receiver(collector, settings.max_body_bytes)
    port = await receiver.listen()
    os.environ["AZUREML_MDC_HOST"], os.environ["AZUREML_MDC_PORT"] = HOST, str(port)
    os.environ.setdefault("AZUREML_MDC_ENABLED", "true")
    return receiver
