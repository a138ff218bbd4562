"""What building an environment costs beside uv by hand and pip: the same lock, the same packages, interleaved."""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shared.adapters.local.environment_builder import LocalEnvironmentBuilder
from shared.environments.lock import Pin, dump_lock
from shared.environments.requirements import checked, of_list
from shared.environments.resolve import resolve
from shared.environments.uv import uv_path
from shared.ports import BuildRequest
from shared.resources.environment_build import EnvironmentRecipe
from tests.benchmarks.report import BUILD, Result, Table, spread

PACKAGES = ("onnxruntime", "numpy", "scikit-learn", "pandas")
ONE_MORE = "click"  # about a tenth of the packages
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
GOALS = {"cold": 1.15, "second": 1.2}
GOAL_READY_MS, GOAL_PIP = 100.0, 5.0


async def measure(quick: bool) -> Result:
    """Cold builds (an empty cache, packages are downloaded), builds from a warm cache, a second one that shares most
    packages, and how long it takes to see that one is there."""
    cold, warm = (1, 2) if quick else (5, 11)
    folder = BUILD / f"environments-{time.time_ns()}"
    folder.mkdir(parents=True)
    try:
        pins, more = await _locked(*PACKAGES), await _locked(*PACKAGES, ONE_MORE)
        bench = _Bench(folder)
        samples = {
            "cold": await bench.interleaved(pins, cold, fresh_cache=True, with_pip=True),
            "warm": await bench.interleaved(pins, warm, fresh_cache=False),
            "second": await bench.interleaved(more, warm, fresh_cache=False),
        }
        ready = await bench.ready_ms(pins, warm)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Result("environments", [_builds(samples, len(pins)), _ready(ready)], {**samples, "ready_ms": ready})


async def _locked(*packages: str) -> tuple[Pin, ...]:
    return await resolve(checked(of_list(packages)), PYTHON, former=(), index_url="", timeout_s=300)


class _Bench:
    """Times builds of a lock in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    async def interleaved(
        self, pins: tuple[Pin, ...], rounds: int, *, fresh_cache: bool, with_pip: bool = False
    ) -> dict[str, list[float]]:
        """Seconds of each way, one after the other in each round."""
        lock = self._folder / "requirements.lock"
        lock.write_text(dump_lock(pins))
        ways: dict[str, Callable[[Path], Any]] = {"slipway": lambda place: self._slipway(pins, place)}
        ways["uv by hand"] = lambda place: asyncio.to_thread(_uv, lock, place)
        if with_pip:
            ways["pip"] = lambda place: asyncio.to_thread(_pip, lock, place)
        times: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(rounds + (not fresh_cache)):  # one more fills the cache
            for way, build in ways.items():
                self._count += 1
                place = self._folder / f"place-{self._count}"
                with _cache(self._folder / (f"cache-{self._count}" if fresh_cache else "cache")):
                    began = time.perf_counter()
                    await build(place)
                    times[way].append(time.perf_counter() - began)
                shutil.rmtree(place, ignore_errors=True)
        return times if fresh_cache else {way: each[1:] for way, each in times.items()}

    async def _slipway(self, pins: tuple[Pin, ...], place: Path) -> LocalEnvironmentBuilder:
        builder = LocalEnvironmentBuilder(place)
        request, run_id = _request(pins), ""
        while (progress := await builder.advance(request, run_id)).state == "Running":
            run_id = progress.run_id
        assert progress.state == "Succeeded", progress
        return builder

    async def ready_ms(self, pins: tuple[Pin, ...], rounds: int) -> list[float]:
        """Milliseconds until a whole, unchanged environment is found to be so."""
        with _cache(self._folder / "cache"):
            builder = await self._slipway(pins, self._folder / "kept")
        times = []
        for _ in range(rounds):
            began = time.perf_counter()
            assert builder.ready(_request(pins).recipe.identity)
            times.append((time.perf_counter() - began) * 1000)
        return times


def _request(pins: tuple[Pin, ...]) -> BuildRequest:
    recipe = EnvironmentRecipe(python_version=PYTHON, lock=[pin.line.strip() for pin in pins])
    return BuildRequest(recipe, _nothing, 600)


async def _nothing(sha256: str) -> AsyncIterator[bytes]:
    raise AssertionError(f"{sha256} is asked for, and the recipe has no files")
    yield b""


def _uv(lock: Path, place: Path) -> None:
    uv = uv_path()
    _run(uv, "venv", "--python", PYTHON, str(place))
    _run(uv, "pip", "sync", "--require-hashes", "--python", str(place / "bin" / "python"), str(lock))


def _pip(lock: Path, place: Path) -> None:
    _run(sys.executable, "-m", "venv", str(place))
    _run(str(place / "bin" / "pip"), "install", "--no-cache-dir", "--no-deps", "--require-hashes", "-r", str(lock))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@contextmanager
def _cache(folder: Path) -> Any:
    """uv's cache is in the folder while the context lasts."""
    before = os.environ.get("UV_CACHE_DIR")
    os.environ["UV_CACHE_DIR"] = str(folder)
    try:
        yield
    finally:
        os.environ.pop("UV_CACHE_DIR")
        if before is not None:
            os.environ["UV_CACHE_DIR"] = before


def _builds(samples: dict[str, dict[str, list[float]]], packages: int) -> Table:
    titles = {
        "cold": f"cold: {', '.join(PACKAGES)} ({packages} packages), downloaded",
        "warm": "the same, from a warm cache",
        "second": f"the same and {ONE_MORE}, from a warm cache",
    }
    rows, notes = [], []
    for name, times in samples.items():
        middle = {way: statistics.median(each) for way, each in times.items()}
        ratio = middle["slipway"] / middle["uv by hand"]
        pip = spread(times["pip"], ".1f") if "pip" in times else "not measured"
        rows.append(
            (titles[name], *(spread(times[way], ".2f") for way in ("slipway", "uv by hand")), f"{ratio:.2f}", pip)
        )
        if goal := GOALS.get(name):
            notes.append(f"{name}: {ratio:.2f} of uv by hand (goal at most {goal}: {_told(ratio <= goal)})")
        if "pip" in times:
            times_faster = middle["pip"] / middle["slipway"]
            notes.append(
                f"{times_faster:.1f}x as fast as pip (goal {GOAL_PIP:.0f}x: {_told(times_faster >= GOAL_PIP)})"
            )
    columns = ("build", "Slipway", "uv by hand", "ratio", "venv and pip")
    return Table("From a lock to an environment, s: median (range)", columns, rows, "; ".join(notes) + ".")


def _ready(times: list[float]) -> Table:
    reached = _told(statistics.median(times) < GOAL_READY_MS)
    rows = [("it is there, whole and unchanged: every file is looked at", spread(times, ".1f"))]
    return Table("Built before, ms", ("what", "ms"), rows, f"Goal: under {GOAL_READY_MS:.0f} ms: {reached}.")


def _told(reached: bool) -> str:
    return "reached" if reached else "missed"
