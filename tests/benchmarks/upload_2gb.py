"""A 2 GB model by `slipway model push` and `download`, against copy + sha256 of the same file on the same disk."""

from __future__ import annotations

import asyncio
import hashlib
import http.client as http_client
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.benchmarks.report import BUILD, ROOT, Result, Table, clean_environment, spread
from tests.scenarios.local_host import LocalHost, running
from tests.scenarios.rest import create_upload

GB = 1_000_000_000
NEEDED = 3  # the source, and two copies of it at a time
POLL_S = 0.02


@dataclass
class Run:
    """How long it took, and the peak memory of the processes in MB."""

    seconds: float
    client_mb: float = 0.0
    server_mb: float = 0.0


async def measure(quick: bool) -> Result:
    """Cases interleaved; each round has a fresh host and folder, so nothing is there already."""
    BUILD.mkdir(parents=True, exist_ok=True)
    size_bytes, rounds = (GB // 4, 2) if quick else (2 * GB, 5)
    free_bytes = shutil.disk_usage(BUILD).free
    assert free_bytes > (NEEDED + 1) * size_bytes, f"{free_bytes} bytes are free, not {NEEDED + 1} files' worth"
    runs: dict[str, list[Run]] = {}
    with tempfile.TemporaryDirectory(dir=BUILD, prefix="upload-") as name:
        folder = Path(name)
        digest = _make(folder / "model.bin", size_bytes)
        for _ in range(rounds):
            async for case, run in _round(folder, digest):
                runs.setdefault(case, []).append(run)
    samples = {case: [vars(run) for run in each] for case, each in runs.items()}
    return Result("upload-2gb", [_table(runs, size_bytes, rounds)], {"size_bytes": size_bytes, "runs": samples})


def _make(path: Path, size_bytes: int) -> str:
    """A file of noise, on disk and in the page cache; its SHA-256."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(size_bytes // 1_000_000):
            chunk = os.urandom(1_000_000)
            digest.update(chunk)
            file.write(chunk)
        os.fsync(file.fileno())
    return digest.hexdigest()


async def _round(folder: Path, digest: str) -> AsyncIterator[tuple[str, Run]]:
    source, target, out = folder / "model.bin", folder / "copy.bin", folder / "out"
    size_bytes = source.stat().st_size
    for case, synced in (("cp + sha256 + fsync", True), ("cp + sha256", False)):
        _settle(folder, size_bytes)
        yield case, _copy(source, target, digest, synced=synced)
        target.unlink()
    async with running(folder / "data") as host:
        _settle(folder, size_bytes)
        yield "put", await _put(host, source)
        shutil.rmtree(host.data_dir / "staging")
        _settle(folder, size_bytes)
        yield "push", await _command(host, "model", "push", str(source), "--name", "large")
        _check(folder, digest)
        _settle(folder, size_bytes)
        yield "download", await _command(host, "model", "download", "large:1", "--output-dir", str(out))
        assert _sha256(out / "model.bin") == digest
        shutil.rmtree(out)
        _settle(folder, size_bytes)
        yield "get", await _get(host, size_bytes)
        await host.stop()
    shutil.rmtree(folder / "data")


def _settle(folder: Path, size_bytes: int) -> None:
    """Each case begins alike: nothing is left to be written, and the page cache has found room for one more file once
    (on a virtual machine the first use of memory is many times slower)."""
    os.sync()
    scratch = folder / "scratch"
    chunk = bytes(1 << 20)
    with scratch.open("wb") as file:
        for _ in range(size_bytes // len(chunk) + 1):
            file.write(chunk)
    scratch.unlink()


def _copy(source: Path, target: Path, digest: str, *, synced: bool) -> Run:
    """One after the other, as a script would: cp, then the hash (OpenSSL's, which is the faster one), then fsync."""
    began = time.perf_counter()
    subprocess.run(["cp", "--reflink=never", str(source), str(target)], check=True)
    assert _sha256(target) == digest
    if synced:
        with target.open("rb") as file:
            os.fsync(file.fileno())
    return Run(time.perf_counter() - began)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def _put(host: LocalHost, source: Path) -> Run:
    """The server alone: a client that does nothing but send (no hash, no Python in the loop)."""
    async with host.client() as http:
        session = await create_upload(http, "alone.bin")
    target = session["files"][0]
    address = urlsplit(host.url)
    fields = {"host": address.netloc, "content-length": source.stat().st_size, **target["headers"]}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    began = time.perf_counter()
    with socket.create_connection((address.hostname, address.port)) as connection, source.open("rb") as file:
        connection.sendall(f"PUT {target['url']} HTTP/1.1\r\n{head}\r\n".encode())
        connection.sendfile(file)
        answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 201"), answer
    return Run(time.perf_counter() - began, 0.0, _peak_mb(host.process.pid))


async def _get(host: LocalHost, size_bytes: int) -> Run:
    """The server alone: a client that throws away what it gets."""
    async with host.client() as http:
        path = "/api/models/large/versions/1/files/model.bin"
        async with http.get(path, allow_redirects=False) as redirect:
            location = redirect.headers["location"]
    began = time.perf_counter()
    connection = http_client.HTTPConnection(urlsplit(host.url).netloc, timeout=60)
    connection.request("GET", location)
    answer = connection.getresponse()
    buffer, left_bytes = bytearray(1 << 20), size_bytes
    while count := answer.readinto(buffer):
        left_bytes -= count
    assert left_bytes == 0
    connection.close()
    return Run(time.perf_counter() - began, 0.0, _peak_mb(host.process.pid))


def _check(folder: Path, digest: str) -> None:
    stored = folder / "data" / "artifacts" / "sha256" / digest[:2] / digest[2:]
    assert stored.stat().st_size == (folder / "model.bin").stat().st_size, stored


async def _command(host: LocalHost, *arguments: str) -> Run:
    """The whole command as its user sees it: start of the process, its imports, the transfer, the registration."""
    command = [sys.executable, "-m", "shared.cli.main", "--data-dir", str(host.data_dir), "-o", "json", *arguments]
    began = time.perf_counter()
    client = subprocess.Popen(command, cwd=ROOT, env=clean_environment(), stdout=subprocess.PIPE)
    client_mb = 0.0
    while client.poll() is None:
        client_mb = _peak_mb(client.pid) or client_mb
        await asyncio.sleep(POLL_S)
    seconds = time.perf_counter() - began
    assert client.stdout is not None
    printed = client.stdout.read()
    assert client.returncode == 0, printed
    json.loads(printed)
    return Run(seconds, client_mb, _peak_mb(host.process.pid))


def _peak_mb(pid: int) -> float:
    """Peak resident memory so far; 0 when the process is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except ProcessLookupError:
        return 0.0
    peak = next((line for line in status.splitlines() if line.startswith("VmHWM")), None)
    return int(peak.split()[1]) * 1024 / 1e6 if peak else 0.0


def _table(runs: dict[str, list[Run]], size_bytes: int, rounds: int) -> Table:
    titles = {
        "cp + sha256 + fsync": "cp, sha256, fsync, one after the other",
        "cp + sha256": "cp, sha256, one after the other",
        "push": "`slipway model push`",
        "put": "the server's part of it (a client that only sends)",
        "download": "`slipway model download`",
        "get": "the server's part of it (a client that only receives)",
    }
    synced, plain = "cp + sha256 + fsync", "cp + sha256"
    baselines = {"push": synced, "put": synced, "download": plain, "get": plain}
    rows = []
    for case in titles:
        each = runs[case]
        baseline = runs.get(baselines.get(case, ""))
        ratios = [b.seconds / r.seconds * 100 for b, r in zip(baseline, each, strict=True)] if baseline else []
        rows.append(
            (
                titles[case],
                spread([run.seconds for run in each], ".2f"),
                f"{size_bytes / statistics.median(run.seconds for run in each) / 1e6:.0f}",
                f"{spread(ratios)} %" if ratios else "",
                f"{max(run.client_mb for run in each):.0f}" if each[0].client_mb else "",
                f"{max(run.server_mb for run in each):.0f}" if ratios else "",
            )
        )
    columns = ("case", "seconds", "MB/s", "of the copy's rate", "client's peak MB", "server's peak MB")
    note = (
        f"{rounds} interleaved rounds, a fresh host and folder each; the source is in the page cache, all on one disk. "
        "Rates against the copy of the same kind (with fsync for push). Goals: 70 %, 150 MB."
    )
    return Table(f"{size_bytes / GB:g} GB", columns, rows, note)
