"""The application behind the protocol: finds the route, keeps the limits, gives ids, counts and logs."""

from __future__ import annotations

from collections.abc import Callable

from shared.scoring.access import Access
from shared.scoring.collector.payloads import Payloads
from shared.scoring.cors import Cors
from shared.scoring.errors import MethodNotAllowed, NotFound, NotReady, RequestError, TooManyRequests
from shared.scoring.http.exchange import Exchange
from shared.scoring.http.messages import TEXT, Request, Response
from shared.scoring.logs import LOGGER
from shared.scoring.metrics import CONTENT_TYPE, Metrics
from shared.scoring.request_ids import identify
from shared.scoring.routes import Reply, Route
from shared.scoring.settings import Settings
from shared.scoring.tracing import Tracer
from shared.scoring.usage import add_usage

Family = Callable[[bytes], Route | None]  # the route of a path with a name in it, None when it is none of its

_RETRY_SOON = ((b"Retry-After", b"1"),)
_UNKNOWN = Route("unknown", {})


class Service:
    """Answers with 503 until `open` was called with what was loaded."""

    def __init__(
        self, settings: Settings, metrics: Metrics, tracer: Tracer | None = None, payloads: Payloads | None = None
    ) -> None:
        """With `payloads` bodies are collected. Raises StartError when keys or tokens are set and can't be read."""
        self._payloads = payloads
        self._settings = settings
        self.access = Access(settings.keys_file, settings.token_file)
        self._cors = Cors(settings.cors_origins)
        self._families: tuple[Family, ...] = ()
        self._server_version = settings.server_version.encode("latin-1")
        self._tracer = tracer
        self.metrics = metrics
        self.ready = False
        self.draining = False
        self.in_flight = 0  # requests that score
        metrics.read("slipway_scoring_in_flight", "gauge", "Requests that are scored now.", lambda: self.in_flight)
        metrics.read("slipway_scoring_ready", "gauge", "1 after warm-up, 0 before and while draining.", self._is_ready)
        add_usage(metrics)
        self._routes: dict[bytes, Route] = {
            b"/": Route("/", {b"GET": self._health}),
            b"/metrics": Route("/metrics", {b"GET": self._metrics}),
            b"/v2/health/live": Route("/v2/health/live", {b"GET": self._live}),
            b"/v2/health/ready": Route("/v2/health/ready", {b"GET": self._ready}),
        }

    def open(self, routes: dict[bytes, Route], families: tuple[Family, ...]) -> None:
        """Serve these routes from now on, in place of those of an earlier call."""
        self._own = routes
        self._families = families
        self._loaded = {**self._routes, **routes}
        self.ready = True

    def may_score(self, counted: int = 0) -> bool:
        """Whether one more request may be scored; `counted` of those in flight is that one itself."""
        return self.in_flight - counted < self._settings.max_concurrent

    # --- Handler ---
    def handle(self, request: Request, exchange: Exchange) -> None:
        route = self._find(request.path)
        reply = Reply(request, exchange, route or _UNKNOWN, self._answered)
        if route is not None and route.scores:
            self.in_flight += 1
        reply.attempt(self._dispatch, request, reply, route)

    def refuse(self, request: Request | None, error: RequestError) -> Response:
        self.metrics.count("refused", error.status, 0.0)
        LOGGER.warning("refused: %s", error.message, extra={"status": error.status})
        route = self._find(request.path) if request is not None else None
        return (route or _UNKNOWN).problem(error)

    def _find(self, path: bytes) -> Route | None:
        if not self.ready:
            return self._routes.get(path)
        route = self._loaded.get(path)
        if route is None:
            for family in self._families:
                if (route := family(path)) is not None:
                    return route
        return route

    def _dispatch(self, request: Request, reply: Reply, route: Route | None) -> None:
        reply.ids = identify(request)
        if self._cors.enabled:
            reply.headers = self._cors.headers(request)
        if self._server_version:
            reply.headers = (*reply.headers, (b"x-ms-server-version", self._server_version))
        if route is None:
            if not self.ready:
                raise NotReady("the model is being loaded", headers=_RETRY_SOON)
            raise NotFound(f"there is nothing at {request.path.decode('latin-1')}")
        answer = route.methods.get(request.method)
        if answer is None:
            self._without_answer(request, reply, route)
            return
        if route.scores:
            self.access.check(request)
            if not self.may_score(counted=1):
                raise TooManyRequests(
                    f"{self._settings.max_concurrent} requests are scored already", headers=_RETRY_SOON
                )
        answer(request, reply)

    def _without_answer(self, request: Request, reply: Reply, route: Route) -> None:
        if request.method == b"HEAD" and b"GET" in route.methods and not route.scores:
            route.methods[b"GET"](request, reply)
            return
        allowed = b", ".join(sorted({*route.methods, b"OPTIONS"}))
        if request.method == b"OPTIONS":
            reply.send(Response(200, b"", headers=((b"Allow", allowed),)))
            return
        raise MethodNotAllowed("The method is not allowed for the requested URL.", headers=((b"Allow", allowed),))

    def _answered(self, reply: Reply, response: Response) -> None:
        route, elapsed_s = reply.route, reply.elapsed_s
        if route.scores:
            self.in_flight -= 1
            if self._tracer is not None:
                self._tracer.record(reply, response)
            if self._payloads is not None:
                self._payloads.offer(reply.request, response)
        self.metrics.count(route.name, response.status, elapsed_s)
        failed = response.status >= 400 and (route.scores or route is _UNKNOWN)  # not probes that wait for readiness
        if failed or self._settings.access_log:
            LOGGER.log(
                30 if response.status >= 400 else 20,
                "%s %s %d",
                reply.request.method.decode("latin-1"),
                reply.request.path.decode("latin-1"),
                response.status,
                extra={
                    "request_id": reply.request.id,
                    "route": route.name,
                    "status": response.status,
                    "duration_ms": round(elapsed_s * 1000, 3),
                },
            )

    # --- routes of the server itself ---
    def _is_ready(self) -> float:
        return float(self.ready and not self.draining)

    def _raise_unless_ready(self) -> None:
        if not self._is_ready():
            raise NotReady("about to stop" if self.draining else "the model is being loaded", headers=_RETRY_SOON)

    def _health(self, request: Request, reply: Reply) -> None:
        self._raise_unless_ready()
        reply.send(Response(200, b"Healthy", TEXT))

    def _ready(self, request: Request, reply: Reply) -> None:
        """The Open Inference Protocol's: KServe's client reads its body."""
        self._raise_unless_ready()
        reply.send(Response(200, b'{"ready":true}'))

    def _live(self, request: Request, reply: Reply) -> None:
        reply.send(Response(200, b'{"live":true}'))

    def _metrics(self, request: Request, reply: Reply) -> None:
        reply.send(Response(200, self.metrics.text(), CONTENT_TYPE))
