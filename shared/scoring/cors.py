"""Cross-origin requests, as flask-cors answers them for azureml-inference-server-http."""

from __future__ import annotations

from shared.scoring.http.messages import Headers, Request

_METHODS = b"GET, POST"


class Cors:
    """Which origins browsers may call from; none: no header is added."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        self._any = "*" in origins
        self._origins = frozenset(origin.encode("latin-1").lower() for origin in origins)
        self.enabled = bool(origins)

    def headers(self, request: Request) -> Headers:
        """What an answer to this request carries; empty when its Origin is not allowed or missing."""
        origin = request.headers.get(b"origin")
        if self._any:
            allowed: Headers = ((b"Access-Control-Allow-Origin", b"*"),) if origin is not None else ()
        elif origin is not None and origin.lower() in self._origins:
            allowed = ((b"Access-Control-Allow-Origin", origin), (b"Vary", b"Origin"))
        else:
            return ()
        if allowed and request.method == b"OPTIONS" and b"access-control-request-method" in request.headers:
            wanted = request.headers.get(b"access-control-request-headers")
            allowed = (*allowed, (b"Access-Control-Allow-Methods", _METHODS))
            if wanted is not None:
                allowed = (*allowed, (b"Access-Control-Allow-Headers", wanted))
        return allowed
