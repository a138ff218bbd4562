"""Azure Resource Manager for container groups of one resource group: each look takes a group a step on.

Source: REST reference, Microsoft.ContainerInstance 2023-05-01: containerGroups (createOrUpdate, get, delete,
listByResourceGroup), containers (listLogs). What a group comes to is in its image: `missing`, `crash`, or it runs.
"""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.doubles.arm_event_subscriptions import TOKEN
from tests.doubles.webhook_receiver import serving

RESOURCE_GROUP = "/subscriptions/s/resourceGroups/g"
GROUPS = f"{RESOURCE_GROUP}/providers/Microsoft.ContainerInstance/containerGroups"
API_VERSION = "2023-05-01"
PROPERTIES = {
    *("osType", "sku", "restartPolicy", "containers", "volumes", "ipAddress", "subnetIds"),
    "imageRegistryCredentials",
}
CONTAINER_PROPERTIES = {
    *("image", "ports", "environmentVariables", "resources", "livenessProbe", "readinessProbe", "volumeMounts"),
    "command",
}


async def nothing(_request: web.Request) -> None:
    """No fault."""


@dataclass
class AciDouble:
    url: str = ""
    takes_token: Callable[[str], bool] = TOKEN.__eq__
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)  # as they were put
    states: dict[str, list[str]] = field(default_factory=dict)  # provisioning states, the present one first
    requests: list[tuple[str, str]] = field(default_factory=list)
    address: str = "10.0.0.4"  # of groups in a subnet
    before: Callable[[web.Request], Awaitable[web.Response | None]] = nothing

    def writes(self) -> list[str]:
        return [method for method, _ in self.requests if method != "GET"]

    def routes(self, app: web.Application) -> None:
        app.router.add_get(GROUPS, self.list)
        app.router.add_put(GROUPS + "/{name}", self.put)
        app.router.add_get(GROUPS + "/{name}", self.get)
        app.router.add_delete(GROUPS + "/{name}", self.delete)
        app.router.add_get(GROUPS + "/{name}/containers/server/logs", self.logs)

    @web.middleware
    async def checks(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Of what is asked about groups; the rest is others'."""
        if not request.path.startswith(GROUPS):
            other: web.StreamResponse = await handler(request)
            return other
        self.requests.append((request.method, request.path))
        if not self.takes_token(request.headers.get("Authorization", "").removeprefix("Bearer ")):
            return failed(401, "InvalidAuthenticationToken")
        if request.query.get("api-version") != API_VERSION:
            return failed(400, "InvalidApiVersionParameter")
        if (answer := await self.before(request)) is not None:
            return answer
        response: web.StreamResponse = await handler(request)
        return response

    async def put(self, request: web.Request) -> web.Response:
        name, body = request.match_info["name"], await request.json()
        former = self.groups.get(name)
        if former is not None and len(self.states[name]) > 1:
            return failed(409, "ContainerGroupTransitioning", "The container group is still transitioning")
        properties = body["properties"]
        unknown = set(properties) - PROPERTIES | {*properties["containers"][0]["properties"]} - CONTAINER_PROPERTIES
        if unknown:
            return failed(400, "InvalidRequestContent", f"Could not find member {sorted(unknown)}")
        if former is not None and _resources(former) != _resources(body):
            return failed(400, "InvalidContainerGroupUpdate", "The updates on container group are invalid")
        self.groups[name] = {**body, "name": name, "id": f"{GROUPS}/{name}"}
        self.states[name] = ["Pending", "Creating", "Succeeded"]
        return web.json_response(self._document(name), status=200 if former else 201)

    async def get(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name in self.groups:
            self._step(name)
        if name not in self.groups:
            return failed(404, "ResourceNotFound")
        return web.json_response(self._document(name))

    async def list(self, request: web.Request) -> web.Response:
        """A page of one, without instance views."""
        names, begin = sorted(self.groups), int(request.query.get("skip", 0))
        found = []
        for name in names[begin : begin + 1]:
            document = self._document(name)
            for container in document["properties"]["containers"]:
                container["properties"].pop("instanceView", None)
            found.append(document)
        more = {"nextLink": f"{self.url}{GROUPS}?api-version={API_VERSION}&skip={begin + 1}"}
        return web.json_response({"value": found, **(more if begin + 1 < len(names) else {})})

    async def delete(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self.groups:
            return web.Response(status=204)
        self.states[name] = ["Deleting", "gone"]
        return web.json_response(self._document(name), status=202)

    async def logs(self, request: web.Request) -> web.Response:
        lines = ["one", "two", "three"][-int(request.query["tail"]) :]
        return web.json_response({"content": "\n".join(lines) + "\n"})

    def _step(self, name: str) -> None:
        if len(self.states[name]) > 1:
            del self.states[name][0]
        if self.states[name] == ["gone"]:
            del self.groups[name], self.states[name]

    def _document(self, name: str) -> dict[str, Any]:
        document = copy.deepcopy(self.groups[name])
        properties = document["properties"]
        state = properties["provisioningState"] = self.states[name][0]
        for volume in properties["volumes"]:
            volume["secret"] = {}  # never shown again
        address = properties["ipAddress"]
        if address["type"] == "Private":
            address["ip"] = self.address
        else:
            address |= {"ip": "20.0.0.4", "fqdn": f"{address['dnsNameLabel']}.hash.westeurope.azurecontainer.io"}
        if state == "Succeeded":
            (container,) = properties["containers"]
            container["properties"]["instanceView"] = _view(container["properties"]["image"])
        return document


def _resources(group: dict[str, Any]) -> Any:
    return group["properties"]["containers"][0]["properties"]["resources"]["requests"]


def _view(image: str) -> dict[str, Any]:
    if "missing" in image:
        message = f"Failed to pull image: {image}"
        events = [
            {"type": "Normal", "name": "Pulling", "message": "pulling", "lastTimestamp": "2026-11-26T00:00:00Z"},
            {"type": "Warning", "name": "Failed", "message": message, "lastTimestamp": "2026-11-26T00:00:01Z"},
        ]
        return {"restartCount": 0, "currentState": {"state": "Waiting"}, "events": events}
    if "crash" in image:
        ended = {"state": "Terminated", "exitCode": 1, "detailStatus": "Error"}
        return {"restartCount": 4, "currentState": {"state": "Waiting"}, "previousState": ended}
    return {"restartCount": 0, "currentState": {"state": "Running"}}


def failed(status: int, code: str, message: str = "") -> web.Response:
    """An error as Resource Manager words it."""
    return web.json_response({"error": {"code": code, "message": message or code}}, status=status)


@asynccontextmanager
async def container_instances_double() -> AsyncIterator[AciDouble]:
    """An empty resource group, for as long as the context lasts."""
    double = AciDouble()
    app = web.Application(middlewares=[double.checks])
    double.routes(app)
    async with serving(app) as url:
        double.url = url
        yield double
