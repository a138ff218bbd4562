"""Cold start: what a process pays before its first answer. Whole processes, interleaved, with compiled .pyc files."""

from __future__ import annotations

import http.client
import itertools
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from tests.benchmarks.report import BUILD, ROOT, Result, Table, clean_environment, spread
from tests.scenarios.local_host import LocalHost

IMPORTS = {
    "python alone": "pass",
    "import azure.functions": "import azure.functions",
    "import function_app": "import function_app",
    "function_app, then what the first local call imports": (
        "import function_app, shared.bootstrap as b, shared.settings as s, shared.api.dispatch, shared.api.message;"
        "from pathlib import Path; b.local_control_plane(s.Settings(data_dir=Path({folder!r})))"
    ),
    "function_app, then what the first Azure call imports": (
        "import function_app, shared.bootstrap as b, shared.settings as s, shared.api.dispatch, shared.api.message;"
        "b.azure_control_plane(s.Settings(mode='azure', cosmos_endpoint='https://a.documents.azure.com',"
        "blob_account_url='https://a.blob.core.windows.net', queue_account_url='https://a.queue.core.windows.net',"
        "eventgrid_endpoint='https://t.westeurope-1.eventgrid.azure.net/api/events'))"
    ),
}
BARE, GOAL = "import azure.functions", "import function_app"
TOP = 10


async def measure(quick: bool) -> Result:
    """Imports, `slipway up` until its first answer, and the dearest modules of the first invocation."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD, prefix="cold-start-") as folder:
        imports = _imports(3 if quick else 21, Path(folder))
        starts = [await _start(Path(folder) / f"data-{index}") for index in range(2 if quick else 15)]
        dearest = _import_times(Path(folder), 1 if quick else 7)
    tables = [_import_table(imports), _start_table(starts), _dearest_table(dearest)]
    return Result("cold-start", tables, {"imports_ms": imports, "starts_ms": starts, "import_times_us": dearest})


def _imports(rounds: int, folder: Path) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for index in range(rounds + 1):
        for name, code in IMPORTS.items():
            began = time.perf_counter()
            _python("-c", code.format(folder=str(folder / "plane")))
            if index:  # the first round compiles and fills the page cache
                times[name].append((time.perf_counter() - began) * 1000)
    return times


def _python(*arguments: str) -> str:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=True)
    return done.stderr


def _import_table(times: dict[str, list[float]]) -> Table:
    bare = statistics.median(times[BARE])
    rows = [(name, spread(values), f"{statistics.median(values) / bare:.2f}") for name, values in times.items()]
    alone = statistics.median(times["python alone"])
    net = (statistics.median(times[GOAL]) - alone) / (bare - alone)
    note = f"Without the interpreter's own start, function_app is {net:.2f} of azure.functions. Goal: at most 1.5."
    return Table("Whole process, ms: median (range)", ("process", "ms", "of azure.functions"), rows, note)


async def _start(data_dir: Path) -> dict[str, float]:
    """Milliseconds: from the process's start to its first answer, that call itself, and the same call later."""
    host = LocalHost(data_dir)
    began = time.perf_counter()
    host.launch()
    while not (data_dir / "endpoint.json").exists():
        assert host.process.poll() is None, host.log()
        time.sleep(0.001)
    await host.ready()
    listening = time.perf_counter()
    address = urlsplit(host.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
    first = _health(connection)
    answered = time.perf_counter()
    later = [_health(connection) for _ in range(50)]
    connection.close()
    await host.stop()
    return {
        "listening": (listening - began) * 1000,
        "answered": (answered - began) * 1000,
        "first call": first,
        "later call": statistics.median(later),
    }


def _health(connection: http.client.HTTPConnection) -> float:
    began = time.perf_counter()
    connection.request("GET", "/api/health")
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200, answer.status
    return (time.perf_counter() - began) * 1000


def _start_table(starts: list[dict[str, float]]) -> Table:
    titles = {
        "listening": "`slipway up`: from the process's start to listening",
        "answered": "the same, to the first answer of GET /api/health",
        "first call": "that first call alone (it imports and opens the adapters)",
        "later call": "the same call later",
    }
    rows = [(title, spread([start[key] for start in starts], ".1f")) for key, title in titles.items()]
    return Table("Local host on a fresh folder, ms: median (range)", ("what", "ms"), rows)


def _import_times(folder: Path, rounds: int) -> dict[str, dict[str, int]]:
    """The dearest modules, by their own time in microseconds, that the first invocation adds to function_app's."""
    found = {}
    for name, code in list(IMPORTS.items())[3:]:
        runs = [_own_times(code.format(folder=str(folder / "plane"))) for _ in range(rounds)]
        own = {package: round(statistics.median(run.get(package, 0) for run in runs)) for package in runs[0]}
        ranked = sorted(own.items(), key=lambda item: -item[1])
        found[name] = {"all": sum(own.values()), **dict(itertools.islice(ranked, TOP))}
    return found


def _own_times(code: str) -> dict[str, int]:
    """By package (of azure and shared: by the package below), after function_app was imported."""
    own: dict[str, int] = {}
    after_app = False
    for line in _python("-X", "importtime", "-c", code).splitlines():
        match = re.fullmatch(r"import time:\s*(\d+) \|\s*(\d+) \|( *)(\S+)", line)
        if match and after_app:
            package = ".".join(match[4].split(".")[: 2 if match[4].startswith(("azure.", "shared.")) else 1])
            own[package] = own.get(package, 0) + int(match[1])
        after_app = after_app or bool(match and match[4] == "function_app")
    return own


def _dearest_table(found: dict[str, dict[str, int]]) -> Table:
    local, azure = ([f"{name} {us / 1000:.0f}" for name, us in each.items()] for each in found.values())
    rows = [(left, right) for left, right in itertools.zip_longest(local, azure, fillvalue="")]
    note = "Own time of each package under `-X importtime`, which itself costs; medians of 7 runs."
    return Table("What the first invocation imports, ms", ("local", "Azure"), rows, note)
