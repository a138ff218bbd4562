"""Deployments that are as they are declared are looked at, and nothing is written."""

from __future__ import annotations

from pathlib import Path

from shared.adapters.local.endpoint_processes import stop_all
from tests.benchmarks.reconcile import ENDPOINTS, Fleet

COUNT = 24


async def test_looks_at_unchanged_deployments_write_nothing(tmp_path: Path) -> None:
    try:
        fleet = await Fleet.declared(tmp_path / "data", COUNT)
        before = await fleet.writes()
        for _ in range(5):
            await fleet.look()
        assert await fleet.writes() == before
        assert len(fleet.queue.bodies) == COUNT + ENDPOINTS  # each is looked at again
        assert {one["phase"] for one in await fleet.listed("online-deployment")} == {"Succeeded"}
    finally:
        await stop_all(tmp_path / "data" / "endpoints")
