"""A cluster or hub that fails at any moment, and a credential whose tokens end in the middle: seeded, each kind
counted."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import socket
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import yaml
from aiohttp import web
from azure.core.credentials import AccessToken

from tests.doubles.kubernetes import KubernetesDouble, status_answer
from tests.doubles.webhook_receiver import serving

CLUSTER_ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/aks"
TIMEOUT_S = 0.4  # how long clients of a faulty cluster wait
_LINGER_NONE = struct.pack("ii", 1, 0)  # closing sends RST, man 7 socket


class Faulty(Protocol):
    """A double that faults can be put into."""

    tokens: set[str]  # that are good
    before: Callable[[web.Request], Awaitable[web.Response | None]]
    after: Callable[[web.Request], Awaitable[None]]


class ExpiringCredential:
    """A credential (Entra ID's) whose token the double may refuse at any time; from then on it gives another."""

    def __init__(self, double: Faulty) -> None:
        self._double = double
        self.number = 0
        self.expire()

    def expire(self) -> None:
        """The present token has ended; requests that are under way with it are refused."""
        self.number += 1
        self._double.tokens = {f"token-{self.number}"}

    async def get_token(self, *_scopes: str, **_: Any) -> AccessToken:
        return AccessToken(f"token-{self.number}", int(time.time()) + 3600)

    async def close(self) -> None: ...

    async def __aenter__(self) -> ExpiringCredential:
        return self

    async def __aexit__(self, *_: object) -> None: ...


@dataclass
class Faults:
    """At a share of the requests, one of KINDS; the same seed draws the same ones. `counts` says which there were."""

    share: float
    seed: int
    expire: Callable[[], None] = lambda: None
    counts: Counter[str] = field(default_factory=Counter)
    since_expiry: int = 0

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)

    def of(self, double: Faulty) -> Faults:
        """The double has them from now on."""
        double.before, double.after = self.before, self.after
        return self

    async def before(self, request: web.Request) -> web.Response | None:
        """What a request is answered with in the double's place; None to let it through."""
        self.since_expiry += 1
        if self._chance.random() >= self.share:
            return None
        kinds = ["429", "500", "gateway page", "timeout", "reset"]
        kinds += ["conflict"] if request.method != "GET" else []
        kinds += ["expired"] if self.since_expiry > 40 else []  # no token ends twice in one breath
        kind = self._chance.choice(kinds)
        self.counts[kind] += 1
        match kind:
            case "429":
                answer = status_answer(429, "TooManyRequests", "try again")
                answer.headers["Retry-After"] = "1"
                return answer
            case "500":
                return status_answer(500, "InternalError", "etcdserver: leader changed")
            case "gateway page":
                return web.Response(status=503, text="<html>bad gateway</html>", content_type="text/html")
            case "conflict":
                return status_answer(409, "Conflict", "the object has been modified; please apply your changes again")
            case "timeout":
                await asyncio.sleep(2 * TIMEOUT_S)
            case "reset":
                _reset(request)
            case "expired":
                self.since_expiry = 0
                self.expire()
        return status_answer(401, "Unauthorized", "Unauthorized")

    async def after(self, request: web.Request) -> None:
        """Answers to what was done are lost, too: more often than others fail, for writes are few."""
        if request.method == "GET" or self._chance.random() >= 3 * self.share:
            return
        kind = self._chance.choice(["timeout after it was done", "reset after it was done"])
        self.counts[kind] += 1
        if kind.startswith("timeout"):
            await asyncio.sleep(2 * TIMEOUT_S)
        else:
            _reset(request)


def _reset(request: web.Request) -> None:
    if request.transport is not None:
        connection: socket.socket = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
        request.transport.abort()


@asynccontextmanager
async def arm_double(cluster: KubernetesDouble) -> AsyncIterator[str]:
    """Azure Resource Manager, as far as it says where the cluster is; every third answer is 503."""
    asked = 0

    async def handle(_request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        if asked % 3 == 0:
            return web.json_response({}, status=503)
        document = {"clusters": [{"name": "aks", "cluster": {"server": cluster.url}}]}
        value = base64.b64encode(yaml.safe_dump(document).encode()).decode()
        return web.Response(
            text=json.dumps({"kubeconfigs": [{"name": "clusterUser", "value": value}]}), content_type="application/json"
        )

    app = web.Application()
    app.router.add_post(f"{CLUSTER_ID}/listClusterUserCredential", handle)
    async with serving(app) as url:
        yield url
