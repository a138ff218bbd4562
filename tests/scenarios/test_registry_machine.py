"""The registry beside a simple model of what it should do, on SQLite and on the Cosmos DB double."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from shared.adapters.local.clock import SystemClock
from shared.resources.events import Event
from tests.contract.resource_stores import opened
from tests.scenarios.registry_machine import RegistryMachine

ADAPTERS = ("sqlite", "cosmos-double")


class Nobody:
    """An Event Grid that takes everything."""

    async def publish(self, events: Sequence[Event]) -> None:
        return None


def compare(adapter: str, folder: Path, *, steps: int) -> None:
    """Run examples until so many steps were compared."""
    with asyncio.Runner() as runner:
        place = opened(adapter, folder)
        make = runner.run(place.__aenter__())

        class Machine(RegistryMachine):
            loop = runner.get_loop()
            store = make()
            publisher = Nobody()
            clock = SystemClock()

        try:
            while Machine.steps < steps:
                run_state_machine_as_test(
                    Machine,
                    settings=settings(
                        max_examples=3,
                        stateful_step_count=40,
                        deadline=None,
                        database=None,
                        suppress_health_check=list(HealthCheck),
                    ),
                )
        finally:
            runner.run(place.__aexit__(None, None, None))
        assert Machine.steps >= steps


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_the_registry_does_what_the_model_does(adapter: str, tmp_path: Path) -> None:
    compare(adapter, tmp_path, steps=600)


@pytest.mark.slow
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_the_registry_does_what_the_model_does_for_ten_thousand_steps(adapter: str, tmp_path: Path) -> None:
    compare(adapter, tmp_path, steps=10_000)
