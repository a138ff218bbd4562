"""The places where jobs run in tests, each with what a test needs of it beside its runner."""

from __future__ import annotations

import base64
import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.adapters.kubernetes.connections import KubeconfigConnection
from shared.adapters.kubernetes.job_runner import KubernetesJobRunner
from shared.adapters.local.job_runner import LocalJobRunner
from shared.ports import JobRunner, JobSpec
from tests.doubles.kubernetes import NAMESPACE, KubernetesDouble, kubernetes_double
from tests.doubles.kubernetes_jobs import JobControllers
from tests.unit.kubernetes.samples import IMAGE, cluster


@dataclass
class Place:
    """A place to run jobs at. `mark` is in the arguments of every process that a job of it starts."""

    runner: JobRunner
    folder: Path
    image: str = ""  # that programs of this machine are in
    double: KubernetesDouble | None = None
    mark: str = field(default_factory=lambda: f"job-mark-{secrets.token_hex(8)}")

    def python(self, name: str, code: str, *arguments: str, **more: Any) -> JobSpec:
        """A job that runs this code."""
        return self.job(name, (sys.executable, "-u", "-c", code, *arguments), **more)

    def job(self, name: str, command: tuple[str, ...], **more: Any) -> JobSpec:
        return JobSpec(name, (*command, self.mark), **{"image": self.image, **more})

    def give_secret(self, name: str, key: str, value: str) -> None:
        if self.double is None:
            (self.folder / "secrets" / name).mkdir(parents=True)
            (self.folder / "secrets" / name / key).write_text(value)
            return
        document = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name},
            "data": {key: base64.b64encode(value.encode()).decode()},
        }
        self.double.cluster.apply(("secrets", NAMESPACE, name), document, "people", force=False)

    def left(self) -> list[str]:
        """Processes of jobs that run, and what else is kept of jobs."""
        found = [f"process {pid}" for pid in processes_with(self.mark)]
        if self.double is not None:
            return found + [name for kind in ("jobs", "pods", "configmaps") for name in self.double.names(kind)]
        return found + [path.name for path in (self.folder / "jobs").glob("[!.]*")]


def processes_with(word: str) -> list[int]:
    """Those with this argument that run."""
    found = []
    for entry in os.scandir("/proc"):
        try:
            arguments = Path(entry.path, "cmdline").read_bytes().split(b"\0") if entry.name.isdecimal() else []
        except OSError:  # it has ended
            continue
        if word.encode() in arguments:
            found.append(int(entry.name))
    return found


@asynccontextmanager
async def local_place(folder: Path) -> AsyncIterator[Place]:
    """Processes of this machine."""
    yield Place(LocalJobRunner(folder / "jobs", folder / "secrets"), folder)


@asynccontextmanager
async def kubernetes_place(folder: Path) -> AsyncIterator[Place]:
    """A cluster whose nodes run programs of this machine, whatever the image."""
    async with kubernetes_double() as double:
        double.jobs = JobControllers(double.cluster, folder / "kubelet")
        connection = KubeconfigConnection(str(double.kubeconfig(folder)), "", NAMESPACE)
        try:
            yield Place(KubernetesJobRunner(cluster(), connection), folder, IMAGE, double)
        finally:
            await double.jobs.close()


PLACES = {"local": local_place, "kubernetes": kubernetes_place}
