"""Leases: one of several hosts, and one task of that host, works under a name."""

from __future__ import annotations

import asyncio
import time

import pytest

from shared.adapters.local.clock import SystemClock
from shared.bootstrap import ControlPlane
from shared.errors import Retryable
from shared.leases import Leases
from tests.plane import plane

__all__ = ["plane"]


def host(plane: ControlPlane, name: str) -> Leases:
    return Leases(plane.deps.store, SystemClock(), name)


async def test_one_host_has_its_turn_and_leaves_the_lease_to_expire(plane: ControlPlane) -> None:
    one, two = host(plane, "one"), host(plane, "two")
    async with one.turn("job", duration_s=60) as ours, two.turn("job", duration_s=60) as theirs:
        assert (ours, theirs) == (True, False)
    async with two.turn("job", duration_s=60) as theirs, one.turn("job", duration_s=60) as ours:
        assert (ours, theirs) == (True, False)


async def test_what_is_under_way_is_not_begun_beside_itself(plane: ControlPlane) -> None:
    one = host(plane, "one")
    async with one.turn("job", duration_s=60) as first, one.turn("job", duration_s=60) as second:
        assert (first, second) == (True, False)
    with pytest.raises(Retryable):
        async with one.turn("job", duration_s=60):
            raise Retryable("it failed")
    async with one.turn("job", duration_s=60) as again:
        assert again, "a turn that failed is over"


async def test_a_lease_that_is_released_is_anybodys(plane: ControlPlane) -> None:
    async with host(plane, "one").turn("job", duration_s=60, release=True) as ours:
        assert ours
    async with host(plane, "two").turn("job", duration_s=60) as theirs:
        assert theirs


async def test_a_turn_that_lasts_longer_than_the_lease_keeps_it(plane: ControlPlane) -> None:
    one, two = host(plane, "one"), host(plane, "two")
    async with one.turn("job", duration_s=2) as ours:
        assert ours
        end = time.monotonic() + 3
        while time.monotonic() < end:
            assert not await two.acquire("job", duration_s=2)
            await asyncio.sleep(0.1)
