"""Endpoints on this machine: each deployment's instances are processes of the packaged scoring server, behind a router
that is a process, too. They outlive a control plane that is killed, and are found again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.adapters.local.deployment_files import digest_of, materialised, model_folder
from shared.adapters.local.ports_of import PortBook
from shared.adapters.local.process_types import DesiredProcess, ObservedProcess, ProcessPhase
from shared.adapters.local.processes import Supervisor
from shared.deployments.collecting import PLACES, PREFIX
from shared.errors import NotFound
from shared.packaging.server_packages import ROOT, server_path
from shared.ports import DesiredDeployment, DesiredEndpoint, ObservedDeployment, ObservedEndpoint

ROUTER = "router"
COLLECTED = "collected"  # beside the endpoints' folder: production data outlive the endpoint
METRICS_TIMEOUT_S = 2.0
PASSED = ("PATH", "HOME", "LANG", "TMPDIR")  # of this process's environment


class LocalTarget:
    """A DeploymentTarget. `folder` has a folder for each endpoint."""

    def __init__(self, folder: Path, index_url: str = "") -> None:
        self._folder = folder.resolve()
        self._index_url = index_url
        self._seen: dict[str, ObservedEndpoint] = {}

    async def ensure(self, desired: DesiredEndpoint) -> ObservedEndpoint:
        """See DeploymentTarget. A changed deployment's new processes are started beside the old ones, which go when the
        new ones are ready."""
        place = self._folder / desired.name
        if not desired.deployments and not place.exists():
            return ObservedEndpoint("", True)  # there is nothing to route to yet
        place.mkdir(parents=True, exist_ok=True)
        ports = PortBook(place / "ports.json")
        wanted: list[DesiredProcess] = []
        for deployment in desired.deployments:
            wanted += await self._instances(place, deployment, desired, ports)
        kept = self._former(place, desired, wanted, ports)
        router = self._router(place, ports)
        config = place / "router.json"
        if not config.exists():
            _write(config, {"deployments": {}})
        observed = await Supervisor(place / "processes").ensure([*wanted, *kept, router])
        found = {one.name: _observed(one, wanted, observed) for one in desired.deployments}
        self._note_current(place, desired, found, wanted)
        _write(config, self._routes(place, desired, observed, ports))
        port = ports.port(ROUTER)
        is_ready = ROUTER in observed and observed[ROUTER].phase == ProcessPhase.READY
        self._seen[desired.name] = ObservedEndpoint(f"http://127.0.0.1:{port}/score", is_ready, found)
        return self._seen[desired.name]

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
            current = _read(place / "current" / f"{deployment.name}.json")
            if current and current["digest"] != digest_of(deployment):
                kept += [_process(one) for one in current["processes"] if one["name"] not in names]
        for one in kept:
            ports.port(one.name)
        return kept

    def _router(self, place: Path, ports: PortBook) -> DesiredProcess:
        import sys

        port = ports.port(ROUTER)
        arguments = (sys.executable, "-m", "shared.router", "--config", str(place / "router.json"), "--port", str(port))
        environ = {key: os.environ[key] for key in PASSED if key in os.environ} | {"PYTHONPATH": str(ROOT)}
        return DesiredProcess(ROUTER, arguments, environ, place, f"http://127.0.0.1:{port}/metrics")

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
            mine = [_document(one) for one in wanted if one.name.startswith(prefix)]
            _write(
                place / "current" / f"{deployment.name}.json",
                {"digest": digest_of(deployment), "processes": mine},
            )

    def _routes(
        self, place: Path, desired: DesiredEndpoint, observed: Mapping[str, ObservedProcess], ports: PortBook
    ) -> dict[str, Any]:
        deployments = {}
        for one in desired.deployments:
            current = _read(place / "current" / f"{one.name}.json") or {"digest": digest_of(one)}
            prefix = f"{one.name}-{current['digest']}-"
            ready = [n for n, seen in observed.items() if n.startswith(prefix) and seen.phase == ProcessPhase.READY]
            deployments[one.name] = {
                "weight": desired.weights.get(one.name, 0),
                "mirror_percent": desired.mirror.get(one.name, 0),
                "request_timeout_ms": one.request_timeout_ms,
                "processes": [f"127.0.0.1:{ports.port(name)}" for name in sorted(ready)],
            }
        routes: dict[str, Any] = {"deployments": deployments}
        if desired.sticky_header:
            routes["sticky"] = {"by": "header", "name": desired.sticky_header}
        return routes

    async def observe(self, endpoint: str) -> ObservedEndpoint | None:
        """See DeploymentTarget."""
        return self._seen.get(endpoint)

    async def metrics(self, endpoint: str) -> str:
        """See DeploymentTarget."""
        import aiohttp

        book = self._folder / endpoint / "ports.json"
        if not book.exists():
            return ""
        timeout = aiohttp.ClientTimeout(total=METRICS_TIMEOUT_S)
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with (
                aiohttp.ClientSession(timeout=timeout) as http,
                http.get(f"http://127.0.0.1:{PortBook(book).port(ROUTER)}/metrics") as answer,
            ):
                return await answer.text()
        return ""

    async def logs(self, endpoint: str, deployment: str, lines: int) -> str:
        """See DeploymentTarget."""
        folder = self._folder / endpoint / "processes"
        found = sorted(folder.glob(f"{deployment}-*/log")) if folder.is_dir() else []
        if not found:
            raise NotFound(f"nothing of {endpoint}/{deployment} runs here, or has run")
        return "\n".join(f"== {path.parent.name}\n{_tail(path, lines)}" for path in found)

    async def keep_only(self, endpoints: frozenset[str]) -> tuple[str, ...]:
        """See DeploymentTarget."""
        gone = []
        for place in sorted(self._folder.iterdir()) if self._folder.is_dir() else ():
            if not (place / "router.json").exists() or place.name in endpoints:
                continue
            gone.append(place.name)
            if not await Supervisor(place / "processes").ensure(()):
                await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)
                self._seen.pop(place.name, None)
        return tuple(gone)


def _collecting(one: DesiredDeployment, folder: Path) -> dict[str, str]:
    """Its variables; what it collects goes to the folder unless it says where."""
    is_placed = any(name in one.environ for name in PLACES)
    if f"{PREFIX}COLLECTIONS" not in one.environ or is_placed:
        return dict(one.environ)
    return {**one.environ, f"{PREFIX}COLLECT_DIR": str(folder)}


def _observed(
    one: DesiredDeployment, wanted: list[DesiredProcess], observed: Mapping[str, ObservedProcess]
) -> ObservedDeployment:
    prefix = f"{one.name}-{digest_of(one)}-"
    mine = [observed[each.name] for each in wanted if each.name.startswith(prefix) and each.name in observed]
    ready = sum(each.phase == ProcessPhase.READY for each in mine)
    ended = next((each for each in mine if each.exit and each.phase != ProcessPhase.READY), None)
    return ObservedDeployment(
        ready=ready,
        restarts=sum(each.restarts for each in mine),
        failures=max((each.failures for each in mine), default=0),
        problem=f"a process ended: {ended.exit}" if ended else "",
        log_tail=tuple(ended.log_tail.splitlines()[-20:]) if ended else (),
    )


def _document(process: DesiredProcess) -> dict[str, Any]:
    return {
        "name": process.name,
        "arguments": list(process.arguments),
        "environ": dict(process.environ),
        "folder": str(process.folder),
        "ready_url": process.ready_url,
    }


def _process(document: Mapping[str, Any]) -> DesiredProcess:
    fields = {**document, "arguments": tuple(document["arguments"]), "folder": Path(document["folder"])}
    return DesiredProcess(**fields)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        document: dict[str, Any] = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return document


def _write(path: Path, document: Mapping[str, Any]) -> None:
    """Whole or not at all, and only when it changes: the router reads it again when it does."""
    text = json.dumps(document, sort_keys=True)
    if path.exists() and path.read_text() == text:
        return
    partial = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    partial.write_text(text)
    partial.rename(path)


def _tail(path: Path, lines: int) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
