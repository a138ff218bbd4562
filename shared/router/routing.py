"""The router's state: deployments as the file says, requests under way, and which request goes where."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from shared.router.access import challenge, fault_of
from shared.router.choose import EvenShare, SmoothChoice, sticky_choice
from shared.router.config import Config
from shared.router.deployment import Deployment
from shared.router.forward import Forward, Reply
from shared.router.messages import Request, own_answer
from shared.router.metrics import Figures, Table, add_figures
from shared.router.mirror import Copy


class Timed(Protocol):
    """Something that ends when its time is over."""

    @property
    def expires_s(self) -> float:
        """The loop's time when it is due."""
        ...

    def expire(self) -> None:
        """End it."""
        ...


class Router:
    """All of it, shared by all connections."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._deployments: dict[str, Deployment] = {}
        self._figures: dict[str, Figures] = {}
        self._weighted: list[Deployment] = []
        self._mirrored: Deployment | None = None
        self._choice = SmoothChoice()
        self._share = EvenShare()
        self._active: set[Timed] = set()
        self._leaving: list[Deployment] = []
        self._copies = 0
        self.draining = False
        self.reloads = self.failed_reloads = self.unauthorized = 0
        self.apply(config)

    # --- the file ---
    def apply(self, config: Config) -> None:
        """Take over a new file: requests that are under way go on, new ones follow the new file."""
        changed = [(one.name, one.weight) for one in self._config.deployments] != [
            (one.name, one.weight) for one in config.deployments
        ]
        self._config = config
        before, self._deployments = self._deployments, {}
        for said in config.deployments:
            figures = self._figures.setdefault(said.name, Figures())
            known = said.name in before
            self._deployments[said.name] = before.pop(said.name) if known else Deployment(said, figures)
        self._weighted = [self._deployments[one.name] for one in config.deployments if one.weight]
        self._mirrored = next((self._deployments[one.name] for one in config.deployments if one.mirror_percent), None)
        for said in config.deployments:
            self._deployments[said.name].update(said)
        for gone in before.values():
            gone.leave()
        self._leaving += before.values()
        if changed:
            self._choice.forget()

    @property
    def max_body_bytes(self) -> int:
        """Of one request."""
        return self._config.max_body_bytes

    @property
    def sticky_header(self) -> bytes:
        """In lower case; b"" for none."""
        return self._config.sticky_header.encode()

    @property
    def hold_timeout_s(self) -> float:
        """That a request waits for a process."""
        return self._config.hold_timeout_s

    @property
    def max_held(self) -> int:
        """Requests of a deployment that wait for a process."""
        return self._config.max_held

    # --- requests ---
    def accept(self, request: Request, reply: Reply, peer: str) -> Forward | None:
        """Send a request to where it belongs; None when it was refused, and that was answered."""
        fault = fault_of(self._config.access, request.authorization, time.time())
        if fault is not None:
            self.unauthorized += 1
            text = fault or "Authorization: Bearer with a key or token of this endpoint is expected"
            self._refuse(request, reply, 401, text, challenge(fault))
            return None
        deployment = self._deployment_for(request, peer)
        if deployment is None:
            self._refuse(request, reply, 404, self._nowhere(request))
            return None
        figures = deployment.figures
        figures.touch()
        if figures.in_flight >= deployment.config.max_in_flight:
            text = f"{deployment.name} has {figures.in_flight} requests under way, which is all it may have"
            self._refuse(request, reply, 429, text)
            return None
        forward = Forward(self, request, reply, deployment)
        self._active.add(forward)
        forward.go_on()
        mirrored = self._mirrored
        if mirrored is not None and mirrored is not deployment and not request.deployment:
            self._mirror(request, mirrored)
        return forward

    def _deployment_for(self, request: Request, peer: str) -> Deployment | None:
        if request.deployment:
            return self._deployments.get(request.deployment.decode("latin-1"))
        among = self._weighted
        if len(among) < 2:
            return among[0] if among else None
        if any(one.down for one in among):
            among = [one for one in among if not one.down] or among
        key = peer.encode() if self._config.sticky_client else request.sticky
        return sticky_choice(among, key) if key else self._choice.choose(among)

    def _nowhere(self, request: Request) -> str:
        if request.deployment:
            known = ", ".join(sorted(self._deployments)) or "none"
            return f"there is no deployment {request.deployment.decode('latin-1')[:100]!r} (there are: {known})"
        return "no deployment of this endpoint has traffic: set its traffic, or name one by azureml-model-deployment"

    def _refuse(self, request: Request, reply: Reply, status: int, detail: str, added: bytes = b"") -> None:
        close = self.draining or not request.keep_alive
        reply.write(own_answer(status, detail, request.id, close=close, is_head=request.is_head, added=added))
        reply.finished(close=close)

    def another(self, instead_of: Deployment) -> Deployment | None:
        """Another deployment that has traffic and takes requests now; None when there is none."""
        among = [one for one in self._weighted if one is not instead_of and one.process() is not None]
        return self._choice.choose(among) if among else None

    def _mirror(self, request: Request, mirrored: Deployment) -> None:
        if not self._share.hit(mirrored.config.mirror_percent):
            return
        if self._copies >= self._config.max_mirrors_in_flight:
            mirrored.figures.dropped_mirrors += 1
            return
        self._copies += 1
        copy = Copy(request, mirrored, self._copy_ended)
        self._active.add(copy)
        asyncio.get_running_loop().call_soon(copy.send)

    def _copy_ended(self, copy: Copy) -> None:
        self._copies -= 1
        self._active.discard(copy)

    def ended(self, forward: Forward) -> None:
        """Nothing more comes of it."""
        self._active.discard(forward)

    def sweep(self, now_s: float) -> None:
        """Look after all limits of time."""
        for one in [each for each in self._active if each.expires_s <= now_s]:
            one.expire()
        for deployment in (*self._deployments.values(), *self._leaving):
            deployment.sweep(now_s)
        self._leaving = [one for one in self._leaving if one.leaving]

    def metrics(self) -> bytes:
        """All figures for Prometheus."""
        table = Table()
        add_figures(table, self._figures.items())
        table.family("slipway_router_process_up", "gauge", "Whether requests are given to a process; 0 after failures.")
        table.family("slipway_router_process_in_flight", "gauge", "Requests, and copies, that it has not answered.")
        for deployment in (*self._deployments.values(), *self._leaving):
            for process in deployment.all_processes():
                label = f'deployment="{deployment.name}",process="{process.address}"'
                table.add("slipway_router_process_up", label, process.up and not process.draining)
                table.add("slipway_router_process_in_flight", label, process.in_flight)
        table.family("slipway_router_unauthorized_total", "counter", "Requests that were answered with 401.")
        table.add("slipway_router_unauthorized_total", "", self.unauthorized)
        table.family("slipway_router_config_info", "gauge", "The file that is in force.")
        revision = self._config.revision.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
        table.add("slipway_router_config_info", f'revision="{revision}"', 1)
        table.family(
            "slipway_router_config_reloads_total", "counter", "Files that were read, by whether they were right."
        )
        table.add("slipway_router_config_reloads_total", 'result="taken"', self.reloads)
        table.add("slipway_router_config_reloads_total", 'result="refused"', self.failed_reloads)
        return table.text()
