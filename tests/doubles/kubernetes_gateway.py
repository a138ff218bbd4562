"""A gateway before the cluster's pods, and the Prometheus that scrapes them: requests go where HTTPRoutes say."""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.doubles.kubernetes import NAMESPACE, KubernetesDouble
from tests.doubles.kubernetes_controllers import is_ready
from tests.doubles.webhook_receiver import serving

BOUNDS_S = (0.005, 0.01, 0.02, 0.04, 0.08)
ERROR_SHARE = "ERROR_SHARE"  # variable of a container: how many of its answers are 500
LATENCY_S = "LATENCY_S"  # variable of a container: how long its model takes, as it counts it


@dataclass
class GatewayDouble:
    """Its pods answer with their Service's name; `counts` and `seconds` are what they counted, by pod, for ever."""

    cluster: KubernetesDouble
    url: str = ""
    status: int = 200  # of the answers to queries
    chance: random.Random = field(default_factory=lambda: random.Random(0))
    counts: Counter[tuple[str, int]] = field(default_factory=Counter)  # pod, status
    seconds: dict[str, list[float]] = field(default_factory=dict)
    answered: Counter[str] = field(default_factory=Counter)  # what callers were answered by; no copies

    async def handle(self, request: web.Request) -> web.Response:
        rule = self._rule(request.host, request.path, request.headers)
        if rule is None:
            return web.Response(status=404)
        for each in rule.get("filters", ()):
            mirror = each["requestMirror"]
            if self.chance.random() * 100 < mirror["percent"]:
                self._pod_answers(mirror["backendRef"]["name"])
        backends = rule["backendRefs"]
        (chosen,) = self.chance.choices(backends, [one["weight"] for one in backends])
        status = self._pod_answers(chosen["name"])
        if status != 503:
            self.answered[chosen["name"]] += 1
        return web.Response(status=status, text=chosen["name"])

    def _rule(self, host: str, path: str, headers: Mapping[str, str]) -> dict[str, Any] | None:
        """The rule with the most headers of those that match (Gateway API, HTTPRouteRule, precedence)."""
        found: list[tuple[int, dict[str, Any]]] = []
        for (plural, _, _), one in self.cluster.cluster.objects.items():
            if plural != "httproutes" or host not in one.document()["spec"]["hostnames"]:
                continue
            for rule in one.document()["spec"]["rules"]:
                for match in rule["matches"]:
                    wanted = match.get("headers", ())
                    if path.startswith(match["path"]["value"]) and all(
                        headers.get(each["name"]) == each["value"] for each in wanted
                    ):
                        found.append((len(wanted), rule))
        return max(found, key=lambda one: one[0])[1] if found else None

    def _pod_answers(self, service: str) -> int:
        """The status of an answer by one of its ready pods: 503 when there is none."""
        key = ("services", NAMESPACE, service)
        if key not in self.cluster.cluster.objects:
            return 503
        selector = self.cluster.one("services", service)["spec"]["selector"]
        pods = [
            one.document()
            for (plural, _, _), one in sorted(self.cluster.cluster.objects.items())
            if plural == "pods"
            and is_ready(one)
            and selector.items() <= one.document()["metadata"].get("labels", {}).items()
        ]
        if not pods:
            return 503
        pod = self.chance.choice(pods)
        environ = {each["name"]: each["value"] for each in pod["spec"]["containers"][0]["env"]}
        status = 500 if self.chance.random() < float(environ.get(ERROR_SHARE, 0)) else 200
        name = pod["metadata"]["name"]
        self.counts[name, status] += 1
        took = float(environ.get(LATENCY_S, 0.01)) * self.chance.uniform(0.5, 1.5)
        self.seconds.setdefault(name, []).append(took)
        return status

    async def query(self, request: web.Request) -> web.Response:
        """Prometheus' instant queries, of the three that are asked: by pods, whose pattern is anchored."""
        text = str((await request.post())["query"])
        pattern = re.search(r'pod=~"([^"]*)"', text)
        assert pattern, text
        assert f'namespace="{NAMESPACE}"' in text
        wanted = re.compile(pattern[1])
        if "slipway_scoring_requests_total" in text:
            found: list[tuple[dict[str, str], float]] = [
                ({"pod": pod, "status": str(status)}, count) for (pod, status), count in self.counts.items()
            ]
        elif "process_cpu_seconds_total" in text:
            found = [
                ({"__name__": name, "pod": pod}, value)
                for pod, values in self.seconds.items()
                for name, value in (
                    ("process_cpu_seconds_total", sum(values)),
                    ("slipway_scoring_cpu_limit_cores", 1.0),
                    ("process_resident_memory_bytes", 6e8),
                    ("slipway_scoring_memory_limit_bytes", 1e9),
                )
            ]
        else:
            found = [
                (
                    {"pod": pod, "le": "+Inf" if bound == math.inf else str(bound)},
                    sum(value <= bound for value in values),
                )
                for pod, values in self.seconds.items()
                for bound in (*BOUNDS_S, math.inf)
            ]
        result = [
            {"metric": metric, "value": [1764000000, str(count)]}
            for metric, count in found
            if wanted.fullmatch(metric["pod"])
        ]
        document = {"status": "success", "data": {"resultType": "vector", "result": result}}
        return web.json_response(document, status=self.status)


@asynccontextmanager
async def gateway_double(cluster: KubernetesDouble, seed: int = 0) -> AsyncIterator[GatewayDouble]:
    """It serves for as long as the context lasts: /api/v1/query is Prometheus, everything else the gateway."""
    double = GatewayDouble(cluster, chance=random.Random(seed))
    app = web.Application()
    app.router.add_post("/api/v1/query", double.query)
    app.router.add_route("*", "/{path:.*}", double.handle)
    async with serving(app) as url:
        double.url = url
        yield double
