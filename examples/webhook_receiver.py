"""A webhook receiver for Event Grid events in the standard library: answers the validation handshake, keeps what comes.

By itself it prints each event: `python examples/webhook_receiver.py [PORT]`, then
`slipway subscription add mine http://127.0.0.1:PORT/`.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MAX_BODY_BYTES = 2 * 1024 * 1024  # Event Grid sends at most 1 MB
VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"


class Receiver(ThreadingHTTPServer):
    """Listens on 127.0.0.1; use it as a context manager. Port 0 takes a free one."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.events: queue.Queue[dict[str, Any]] = queue.Queue()

    @property
    def url(self) -> str:
        """Where it receives."""
        return f"http://127.0.0.1:{self.server_port}/"

    def __enter__(self) -> Receiver:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Receiver
    timeout = 30

    def do_POST(self) -> None:
        """One delivery: an array of events in the Event Grid schema."""
        try:
            length = int(self.headers.get("Content-Length", ""))
            if not 0 <= length <= MAX_BODY_BYTES:
                raise ValueError
            events = json.loads(self.rfile.read(length))
            kinds = [event["eventType"] for event in events]
        except (ValueError, TypeError, KeyError):
            self._answer(400, {"error": "not an array of events in the Event Grid schema"})
            return
        if kinds == [VALIDATION]:  # proves that this endpoint wants to be called
            self._answer(200, {"validationResponse": events[0]["data"]["validationCode"]})
            return
        for event in events:
            self.server.events.put(event)
        self._answer(200, {})

    def _answer(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Says nothing: whoever uses it shows the events."""


if __name__ == "__main__":
    with Receiver(int(sys.argv[1]) if len(sys.argv) > 1 else 0) as receiver:
        print(f"receiving at {receiver.url}", flush=True)
        try:
            while True:
                print(json.dumps(receiver.events.get()), flush=True)
        except KeyboardInterrupt:
            pass
