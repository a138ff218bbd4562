"""A cluster's deployments that are as they are declared: time, requests, writes; what its client costs to import."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from shared.adapters.kubernetes.connections import KubeconfigConnection
from shared.adapters.kubernetes.target import KubernetesTarget
from shared.ports import DesiredEndpoint
from tests.benchmarks.report import BUILD, ROOT, Result, Table, clean_environment, spread
from tests.doubles.kubernetes import NAMESPACE, KubernetesDouble, kubernetes_double
from tests.unit.kubernetes.samples import cluster, deployment, endpoint

DEPLOYMENTS, OF_AN_ENDPOINT = 1000, 10
GOAL_S, GOAL_REQUESTS, GOAL_IMPORT_MS = 10.0, 2, 150.0
# What a process has that steers deployments, and what the first look at a cluster adds to it.
_IMPORT = """
import sys, time
from pathlib import Path
import shared.bootstrap.local
before = len(sys.modules)
assert "lightkube" not in sys.modules
began, began_cpu = time.perf_counter(), time.process_time()
from shared.adapters.kubernetes.connections import KubeconfigConnection
from shared.adapters.kubernetes.target import KubernetesTarget
import lightkube, lightkube.generic_resource
took, cpu = time.perf_counter() - began, time.process_time() - began_cpu
print(took * 1000, cpu * 1000, len(sys.modules) - before)
"""


async def measure(quick: bool) -> Result:
    """Looks at a thousand deployments against the double, in the same process; imports in processes of their own."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD, prefix="kubernetes-") as folder:
        async with kubernetes_double() as double:
            looks, requests, writes = await _looks(double, Path(folder), 3 if quick else 7)
    imports = [_import() for _ in range(4 if quick else 16)][1:]  # the first fills the page cache
    times_ms = [each[0] for each in imports]
    rows = [
        (f"{DEPLOYMENTS} unchanged deployments, s", spread(looks, ".2f"), f"under {GOAL_S:g}"),
        ("requests per deployment", f"{requests / DEPLOYMENTS:.3f}", f"at most {GOAL_REQUESTS}"),
        ("writes", str(writes), "0"),
        ("import of the target and its client, ms", spread(times_ms), f"under {GOAL_IMPORT_MS:g}"),
        ("processor time of it, ms", spread([each[1] for each in imports]), ""),
        ("modules that it adds", f"{statistics.median(each[2] for each in imports):.0f}", ""),
    ]
    note = "The API server is the tests' double, in the same process: its time is in the figure. No pods run."
    table = Table("Kubernetes: median (range)", ("what", "measured", "goal"), rows, note)
    return Result("kubernetes", [table], {"looks_s": looks, "imports_ms": times_ms})


async def _looks(double: KubernetesDouble, folder: Path, rounds: int) -> tuple[list[float], float, int]:
    """Seconds of each look at everything, requests of a look, writes of all looks."""
    connection = KubeconfigConnection(str(double.kubeconfig(folder)), "", NAMESPACE)
    target = KubernetesTarget(cluster(), connection)
    fleet = [_endpoint(number) for number in range(DEPLOYMENTS // OF_AN_ENDPOINT)]
    double.has_controllers = False  # what is measured is the look, not a cluster of a thousand pods
    for one in fleet:
        await target.ensure(one)
    double.requests.clear()
    took = []
    for _ in range(rounds):
        target = KubernetesTarget(cluster(), connection)  # which has seen nothing yet
        began = time.perf_counter()
        for one in fleet:
            seen = await target.ensure(one)
            assert len(seen.deployments) == OF_AN_ENDPOINT
        took.append(time.perf_counter() - began)
    return took, len(double.requests) / rounds, len(double.writes())


def _endpoint(number: int) -> DesiredEndpoint:
    found = [deployment(f"d{index}") for index in range(OF_AN_ENDPOINT)]
    return endpoint(*found, name=f"e{number}", weights={"d0": 100})


def _import() -> tuple[float, float, int]:
    command = [sys.executable, "-c", _IMPORT]
    done = subprocess.run(command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=True)
    took_ms, cpu_ms, modules = done.stdout.split()
    return float(took_ms), float(cpu_ms), int(modules)
