"""Endpoints on this machine: each deployment's instances are processes of the packaged scoring server, behind a router
that is a process, too. They outlive a control plane that is killed, and are found again."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.adapters.local.deployment_files import digest_of, materialised, model_folder
from shared.adapters.local.endpoint_files import (
    access_fields,
    process_document,
    process_of,
    read_json,
    tail,
    write_json,
)
from shared.adapters.local.endpoint_metrics import scraped
from shared.adapters.local.idle import AWAKE, Rest, activity_of, decided, read_rest, with_ready, write_rest
from shared.adapters.local.ports_of import PortBook
from shared.adapters.local.process_types import DesiredProcess, ObservedProcess, ProcessPhase
from shared.adapters.local.processes import Supervisor
from shared.deployments.collecting import PLACES, PREFIX
from shared.errors import NotFound
from shared.packaging.server_packages import ROOT, server_path
from shared.ports import DesiredDeployment, DesiredEndpoint, ObservedDeployment, ObservedEndpoint

ROUTER = "router"
MAX_FAILURES = 3  # ends of the router in a row before that is said; it is started again all the same
HOLD_TIMEOUT_S = 60.0  # that a request waits for a process, where it may have to be started first
COLLECTED = "collected"  # beside the endpoints' folder: production data outlive the endpoint
PASSED = ("PATH", "HOME", "LANG", "TMPDIR")  # of this process's environment


class LocalTarget:
    """A DeploymentTarget. `folder` has a folder for each endpoint."""

    def __init__(self, folder: Path, index_url: str = "") -> None:
        self._folder = folder.resolve()
        self._index_url = index_url
        self._seen: dict[str, ObservedEndpoint] = {}
        self._supervisors: dict[str, Supervisor] = {}  # by endpoint: they hold the sockets of their routers

    async def ensure(self, desired: DesiredEndpoint) -> ObservedEndpoint:
        """See DeploymentTarget. A changed deployment's new processes are started beside the old ones, which go when the
        new ones are ready."""
        place, access = self._folder / desired.name, access_fields(desired.access)
        if not desired.deployments and not place.exists():
            return ObservedEndpoint("", True)  # there is nothing to route to yet
        place.mkdir(parents=True, exist_ok=True)
        ports = PortBook(place / "ports.json")
        idle = await self._idle(place, desired)
        wanted: list[DesiredProcess] = []
        for deployment in desired.deployments:
            if idle[deployment.name].may_end:
                continue
            wanted += await self._instances(place, deployment, desired, ports)
        kept = self._former(place, desired, wanted, ports)
        router = self._router(place, ports)
        config = place / "router.json"
        if not config.exists():
            write_json(config, {"deployments": {}, **access})
        observed = await self._supervisor(place).ensure([*wanted, *kept, router])
        found = {one.name: _observed(one, wanted, observed, idle[one.name]) for one in desired.deployments}
        self._note_current(place, desired, found, wanted)
        for one in desired.deployments:
            rest = with_ready(idle[one.name], found[one.name].ready, one, time.time())
            write_rest(place / "idle" / f"{one.name}.json", None if one.idle_timeout_s is None else rest)
        write_json(config, {**self._routes(place, desired, observed, ports, idle), **access})
        is_ready, problem = routed(observed.get(ROUTER))
        uri = f"http://127.0.0.1:{ports.port(ROUTER)}/score"
        self._seen[desired.name] = ObservedEndpoint(uri, is_ready, problem, found)
        return self._seen[desired.name]

    def _supervisor(self, place: Path) -> Supervisor:
        return self._supervisors.setdefault(place.name, Supervisor(place / "processes"))

    async def _idle(self, place: Path, desired: DesiredEndpoint) -> dict[str, Rest]:
        """Which deployments rest, by what the router has seen."""
        if all(one.idle_timeout_s is None for one in desired.deployments):
            return {one.name: AWAKE for one in desired.deployments}
        seen = await self._scraped(desired.name, {})
        return {
            one.name: decided(
                read_rest(place / "idle" / f"{one.name}.json"),
                one,
                digest_of(one),
                activity_of(seen, one.name),
                is_mirrored=bool(desired.mirror.get(one.name)),
                now_s=time.time(),
            )
            for one in desired.deployments
        }

    async def _instances(
        self, place: Path, one: DesiredDeployment, desired: DesiredEndpoint, ports: PortBook
    ) -> list[DesiredProcess]:
        digest = digest_of(one)
        folder = await materialised(place / "files" / f"{one.name}-{digest}", one, desired.read_file)
        environment = Path(one.environment_location)
        path = await server_path(self._folder, environment, one.packages, index_url=self._index_url)
        environ = {key: os.environ[key] for key in PASSED if key in os.environ}
        environ |= {
            **_collecting(one, self._folder.parent / COLLECTED),
            "PYTHONPATH": path,
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        processes = []
        for number in range(one.instances):
            name = f"{one.name}-{digest}-{number}"
            port = ports.port(name)
            arguments = [str(environment / "bin" / "python"), "-m", "shared.scoring"]
            arguments += ["--host", "127.0.0.1", "--port", str(port)]
            arguments += ["--model", str(folder / model_folder(one))] if one.files else []
            arguments += ["--entry-script", str(folder / "code" / one.entry_script)] if one.entry_script else []
            processes.append(
                DesiredProcess(name, tuple(arguments), environ, folder, f"http://127.0.0.1:{port}/v2/health/ready")
            )
        return processes

    def _former(
        self, place: Path, desired: DesiredEndpoint, wanted: list[DesiredProcess], ports: PortBook
    ) -> list[DesiredProcess]:
        """The processes that serve now and are not wanted any more, as long as those in their place are not ready."""
        names = {one.name for one in wanted}
        kept = []
        for deployment in desired.deployments:
            current = read_json(place / "current" / f"{deployment.name}.json")
            if current and current["digest"] != digest_of(deployment):
                kept += [process_of(one) for one in current["processes"] if one["name"] not in names]
        for one in kept:
            ports.port(one.name)
        return kept

    def _router(self, place: Path, ports: PortBook) -> DesiredProcess:
        import sys

        port = ports.port(ROUTER)
        arguments = (sys.executable, "-m", "shared.router", "--config", str(place / "router.json"), "--port", str(port))
        environ = {key: os.environ[key] for key in PASSED if key in os.environ} | {"PYTHONPATH": str(ROOT)}
        return DesiredProcess(ROUTER, arguments, environ, place, f"http://127.0.0.1:{port}/metrics", listen_port=port)

    def _note_current(
        self,
        place: Path,
        desired: DesiredEndpoint,
        found: Mapping[str, ObservedDeployment],
        wanted: list[DesiredProcess],
    ) -> None:
        """From when its new processes are ready, a deployment is served by them."""
        (place / "current").mkdir(exist_ok=True)
        for deployment in desired.deployments:
            if found[deployment.name].ready < deployment.instances:
                continue
            prefix = f"{deployment.name}-{digest_of(deployment)}-"
            mine = [process_document(one) for one in wanted if one.name.startswith(prefix)]
            write_json(
                place / "current" / f"{deployment.name}.json",
                {"digest": digest_of(deployment), "processes": mine},
            )

    def _routes(
        self,
        place: Path,
        desired: DesiredEndpoint,
        observed: Mapping[str, ObservedProcess],
        ports: PortBook,
        idle: Mapping[str, Rest],
    ) -> dict[str, Any]:
        deployments = {}
        for one in desired.deployments:
            current = read_json(place / "current" / f"{one.name}.json") or {"digest": digest_of(one)}
            prefix = f"{one.name}-{current['digest']}-"
            ready = [n for n, seen in observed.items() if n.startswith(prefix) and seen.phase == ProcessPhase.READY]
            ready = [] if idle[one.name].rests else ready  # nothing new goes to them, and then they may end
            deployments[one.name] = {
                "weight": desired.weights.get(one.name, 0),
                "mirror_percent": desired.mirror.get(one.name, 0),
                "request_timeout_ms": one.request_timeout_ms,
                "processes": [f"127.0.0.1:{ports.port(name)}" for name in sorted(ready)],
            }
        routes: dict[str, Any] = {"deployments": deployments}
        if any(one.idle_timeout_s is not None for one in desired.deployments):
            routes["hold_timeout_s"] = HOLD_TIMEOUT_S
        if desired.sticky_header:
            routes["sticky"] = {"by": "header", "name": desired.sticky_header}
        return routes

    async def observe(self, endpoint: str) -> ObservedEndpoint | None:
        """See DeploymentTarget."""
        return self._seen.get(endpoint)

    async def metrics(self, endpoint: str) -> str:
        """See DeploymentTarget."""
        routes = read_json(self._folder / endpoint / "router.json") or {"deployments": {}}
        return await self._scraped(endpoint, {name: one["processes"] for name, one in routes["deployments"].items()})

    async def _scraped(self, endpoint: str, servers: Mapping[str, list[str]]) -> str:
        book = self._folder / endpoint / "ports.json"
        return await scraped(f"127.0.0.1:{PortBook(book).port(ROUTER)}", servers) if book.exists() else ""

    async def logs(self, endpoint: str, deployment: str, lines: int) -> str:
        """See DeploymentTarget."""
        folder = self._folder / endpoint / "processes"
        found = sorted(folder.glob(f"{deployment}-*/log")) if folder.is_dir() else []
        if not found:
            raise NotFound(f"nothing of {endpoint}/{deployment} runs here, or has run")
        return "\n".join(f"== {path.parent.name}\n{tail(path, lines)}" for path in found)

    async def keep_only(self, endpoints: frozenset[str]) -> tuple[str, ...]:
        """See DeploymentTarget."""
        gone = []
        for place in sorted(self._folder.iterdir()) if self._folder.is_dir() else ():
            if not (place / "router.json").exists() or place.name in endpoints:
                continue
            gone.append(place.name)
            if not await self._supervisor(place).ensure(()):
                await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)
                self._seen.pop(place.name, None)
                self._supervisors.pop(place.name).close()
        return tuple(gone)


def _collecting(one: DesiredDeployment, folder: Path) -> dict[str, str]:
    """Its variables; what it collects goes to the folder unless it says where."""
    is_placed = any(name in one.environ for name in PLACES)
    if f"{PREFIX}COLLECTIONS" not in one.environ or is_placed:
        return dict(one.environ)
    return {**one.environ, f"{PREFIX}COLLECT_DIR": str(folder)}


def routed(router: ObservedProcess | None) -> tuple[bool, str]:
    """Whether the router takes requests, and why not when it ends again and again."""
    if router is None or router.phase == ProcessPhase.READY:
        return router is not None, ""
    if router.failures < MAX_FAILURES:
        return False, ""
    last = router.log_tail.strip().rpartition("\n")[2]
    return False, f"its router ended {router.failures} times: {router.exit}: {last}"[:1000]


def _observed(
    one: DesiredDeployment, wanted: list[DesiredProcess], observed: Mapping[str, ObservedProcess], rest: Rest
) -> ObservedDeployment:
    prefix = f"{one.name}-{digest_of(one)}-"
    mine = [observed[each.name] for each in wanted if each.name.startswith(prefix) and each.name in observed]
    ready = sum(each.phase == ProcessPhase.READY for each in mine)
    ended = next((each for each in mine if each.exit and each.phase != ProcessPhase.READY), None)
    return ObservedDeployment(
        ready=0 if rest.rests else ready,
        scaled_to_zero=rest.rests,
        restarts=sum(each.restarts for each in mine),
        failures=max((each.failures for each in mine), default=0),
        problem=f"a process ended: {ended.exit}" if ended else "",
        log_tail=tuple(ended.log_tail.splitlines()[-20:]) if ended else (),
    )
