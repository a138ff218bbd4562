"""What pods counted, as a Prometheus that scrapes them knows it, in the words of the local router."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from shared.adapters.http_bodies import read_at_most
from shared.errors import Retryable
from shared.resources.compute import Cluster

TIMEOUT_S = 5.0
AZURE_MONITOR = ".prometheus.monitor.azure.com"
_ROLE = "of an Azure Monitor workspace: give Slipway's identity the role Monitoring Data Reader"
MAX_ANSWER_BYTES = 16 * 2**20
_ROUTES = "/score|/invocations|/v2/models/infer"  # of the scoring server, that score
_REQUESTS = 'sum by (pod, status) (slipway_scoring_requests_total{{namespace="{}",route=~"{}",pod=~"{}"}})'
_SECONDS = 'sum by (pod, le) (slipway_scoring_run_seconds_bucket{{namespace="{}",pod=~"{}"}})'
_USED = (
    "process_cpu_seconds_total", "process_resident_memory_bytes", "slipway_scoring_cpu_limit_cores",
    "slipway_scoring_memory_limit_bytes",
)  # fmt: skip
_USAGE = '{{__name__=~"{}",namespace="{}",pod=~"{}"}}'


Authorization = Callable[[], Awaitable[str]]


def is_azure_monitor(url: str) -> bool:
    """Whether it is the query endpoint of an Azure Monitor workspace, which is asked with a token of Entra ID."""
    found = urlsplit(url)
    return found.scheme == "https" and (found.hostname or "").endswith(AZURE_MONITOR)


class PrometheusFigures:
    """Asks the Prometheus of a compute, whose scrapes must label samples with `namespace` and `pod`, as they do by
    default on Kubernetes."""

    def __init__(self, cluster: Cluster, authorization: Authorization | None = None) -> None:
        """`authorization` gives the header that an Azure Monitor workspace asks for; no other address is sent it."""
        self._authorization = authorization if is_azure_monitor(cluster.prometheus_url) else None
        self._url = cluster.prometheus_url.rstrip("/")
        self._namespace = cluster.namespace

    async def text(self, deployments: Mapping[str, str]) -> str:
        """Requests, errors and the model's seconds of each deployment, and what its pods use, in Prometheus' text
        format; `deployments` gives the names of their objects. "" without a Prometheus or deployments. Raises Retryable
        when it does not answer."""
        if not self._url or not deployments:
            return ""
        pods = "|".join(f"{name}-.*" for name in sorted(deployments.values()))  # labels: nothing to escape
        requests = await self._query(_REQUESTS.format(self._namespace, _ROUTES, pods))
        seconds = await self._query(_SECONDS.format(self._namespace, pods))
        usage = await self._query(_USAGE.format("|".join(_USED), self._namespace, pods))
        lines = []
        for said, name in sorted(deployments.items()):
            lines += [*_lines(said, _of(name, requests), _of(name, seconds)), *_usage_lines(said, _of(name, usage))]
        return "\n".join(lines) + "\n"

    async def _query(self, query: str) -> list[dict[str, Any]]:
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        headers = {"Authorization": await self._authorization()} if self._authorization else {}
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, headers=headers) as http,
                http.post(f"{self._url}/api/v1/query", data={"query": query}, allow_redirects=False) as answer,
            ):
                if answer.status in (401, 403):
                    raise Retryable(f"Prometheus does not answer Slipway ({answer.status})", remedy=_ROLE)
                body = await read_at_most(answer.content, MAX_ANSWER_BYTES)
                document = json.loads(body)
                found: list[dict[str, Any]] = document["data"]["result"]
                return found
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError, TypeError) as error:
            raise Retryable(f"Prometheus gives no figures ({type(error).__name__})") from error


def _of(name: str, samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in samples if str(each["metric"].get("pod", "")).startswith(f"{name}-")]


def _lines(deployment: str, requests: list[dict[str, Any]], seconds: list[dict[str, Any]]) -> list[str]:
    label = f'deployment="{deployment}"'
    total = sum(float(each["value"][1]) for each in requests)
    failed = sum(float(each["value"][1]) for each in requests if str(each["metric"].get("status", "")).startswith("5"))
    below: dict[str, float] = {}
    for each in seconds:
        bound = str(each["metric"].get("le", ""))
        below[bound] = below.get(bound, 0.0) + float(each["value"][1])
    return [
        f"slipway_router_requests_total{{{label}}} {total:.10g}",
        f"slipway_router_errors_total{{{label}}} {failed:.10g}",
        *(
            f'slipway_router_request_seconds_bucket{{{label},le="{bound}"}} {count:.10g}'
            for bound, count in sorted(below.items(), key=lambda item: float(item[0]))
        ),
    ]


def _usage_lines(deployment: str, usage: list[dict[str, Any]]) -> list[str]:
    """By pod, as the servers of one machine are told apart by process."""
    lines = []
    for each in usage:
        labels = each["metric"]
        if labels.get("__name__") in _USED:
            label = f'deployment="{deployment}",process="{labels["pod"]}"'
            lines.append(f"{labels['__name__']}{{{label}}} {each['value'][1]}")
    return lines
