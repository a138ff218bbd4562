"""Several instances of the function app on one store, as processes behind one address."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from shared.adapters.local.secrets import LocalSecrets, load_secrets
from tests.scenarios.front_end import FrontEnd
from tests.scenarios.local_host import ROOT, START_TIMEOUT_S, _die_with_parent, environment, wait_until


@dataclass
class Instance:
    """One process; `url` is known when it serves."""

    name: str
    folder: Path
    process: subprocess.Popen[bytes]
    url: str = ""

    def is_ready(self) -> bool:
        """Whether it serves. Raises AssertionError when it ended."""
        code = self.process.poll()
        assert code is None, f"{self.name} ended with exit code {code}:\n{self.log()}"
        path = self.folder / self.name / "endpoint.json"
        said = json.loads(path.read_text()) if path.exists() else {}
        self.url = said["url"] if said.get("pid") == self.process.pid else ""
        return bool(self.url)

    def log(self) -> str:
        """All it wrote."""
        return (self.folder / f"{self.name}.log").read_text(errors="replace")


@dataclass
class Fleet:
    """`data_dir` is what the instances share on this machine: keys, and in local mode everything."""

    data_dir: Path
    front_end: FrontEnd
    environ: Mapping[str, str]
    instances: dict[str, Instance] = field(default_factory=dict)
    logs: list[Path] = field(default_factory=list)  # also of those that were killed

    async def start(self, *names: str) -> None:
        """Start instances at once; returns when all serve and get requests."""
        made = [self._launch(name) for name in names]
        for instance in made:
            await wait_until(instance.is_ready, START_TIMEOUT_S, f"{instance.name} serves")
            self.instances[instance.name] = instance
            self.front_end.urls.append(instance.url)

    def _launch(self, name: str) -> Instance:
        log = self.data_dir / f"{name}.log"
        self.logs.append(log)
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.scenarios.instance", str(self.data_dir), name],
                cwd=ROOT,
                env=environment(**self.environ, SLIPWAY_INSTANCE_ID=name),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        return Instance(name, self.data_dir, process)

    def kill(self, name: str) -> None:
        """SIGKILL. For a moment the front end still sends requests to it, as Azure's does."""
        instance = self.instances.pop(name)
        instance.process.kill()
        instance.process.wait()
        self.front_end.urls.remove(instance.url)

    def stop(self) -> None:
        """End all that live; they get no time."""
        for name in list(self.instances):
            self.kill(name)

    def end(self, name: str) -> int:
        """SIGTERM, as when Azure scales in; its exit code."""
        instance = self.instances.pop(name)
        self.front_end.urls.remove(instance.url)
        instance.process.send_signal(signal.SIGTERM)
        return instance.process.wait(timeout=40)

    @property
    def secrets(self) -> LocalSecrets:
        """The keys of all instances."""
        return load_secrets(self.data_dir)

    def client(self) -> aiohttp.ClientSession:
        """A client of the front end with the default host key; its paths begin with "/"."""
        headers = {"x-functions-key": self.secrets.host_keys["default"]}
        timeout = aiohttp.ClientTimeout(total=60)
        return aiohttp.ClientSession(self.front_end.url, headers=headers, timeout=timeout)

    async def run_timer(self, function: str) -> None:
        """Let every instance run a timer function now, at once, as if their clocks struck together."""
        headers = {"x-functions-key": self.secrets.master_key}
        async with aiohttp.ClientSession(headers=headers) as http:
            for each in list(self.instances.values()):
                async with http.post(f"{each.url}/admin/functions/{function}", json={"input": ""}) as answer:
                    assert answer.status == 202, await answer.text()

    def uploads(self) -> list[str]:
        """The files in the upload folder, with their paths in it (local mode)."""
        folder = self.data_dir / "uploads"
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())

    def rows(self, database: str, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """What a statement finds in a database of the folder (local mode)."""
        connection = sqlite3.connect(f"file:{self.data_dir / database}?mode=ro", uri=True, timeout=30)
        try:
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()

    def check_databases(self) -> None:
        """Every database file is sound, by SQLite's own check (local mode)."""
        for path in sorted(self.data_dir.glob("*.db")):
            assert self.rows(path.name, "PRAGMA integrity_check") == [("ok",)], path


@asynccontextmanager
async def fleet_in(data_dir: Path, rng: random.Random, **environ: str) -> AsyncIterator[Fleet]:
    """No instance yet; those that are started end with the context. Their logs are printed when something is raised."""
    data_dir.mkdir(parents=True, exist_ok=True)
    front_end = FrontEnd(rng)
    fleet = Fleet(data_dir, front_end, environ)
    async with front_end.listening():
        try:
            yield fleet
        except BaseException:
            for path in fleet.logs:
                print(f"--- {path.name}\n{path.read_text(errors='replace')[-8000:]}")
            raise
        finally:
            fleet.stop()
