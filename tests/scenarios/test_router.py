"""The router in front of real processes: nothing is lost while deployments come, go and die."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.scenarios.router_load import Load, Sent, within_binomial_99
from tests.scenarios.router_machine import RouterMachine, Started, asking, wait_for

RATE = 200.0


async def _in_force(machine: RouterMachine, blue: list[str], green: list[str], percent: int) -> None:
    deployments = {}
    if blue:
        deployments["blue"] = {"weight": 100 - percent, "processes": blue}
    if green:
        deployments["green"] = {"weight": percent, "processes": green}
    await asyncio.to_thread(machine.write, deployments)


@pytest.mark.parametrize("step_s", [2.0, pytest.param(45.0, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
async def test_blue_is_replaced_by_green_under_load_and_a_process_is_killed(tmp_path: Path, step_s: float) -> None:
    machine = RouterMachine(tmp_path, {})
    try:
        blue, green, second = (machine.server(name).listening() for name in ("blue", "green", "green"))
        await _in_force(machine, [blue.address], [], 0)
        load, loop = Load(machine.router.port, RATE), asyncio.get_running_loop()
        running = loop.create_task(load.run())
        splits: list[tuple[int, float, float]] = []
        both = [green.address, second.address]
        for percent in (0, 10, 50, 90, 100):
            await _in_force(machine, [blue.address], both, percent)
            splits.append((percent, *await _answered(load, step_s)))
        await _in_force(machine, [], both, 100)
        await asyncio.to_thread(_drained, machine, blue)
        assert await asyncio.to_thread(blue.terminate) == 0
        killed_s = loop.time()
        second.kill()
        await asyncio.sleep(0.5)
        machine.server("green", second.port).listening()
        await _answered(load, step_s)
        load.stop()
        await running
    finally:
        machine.close()
    _check(load, splits, killed_s)


async def _answered(load: Load, step_s: float) -> tuple[float, float]:
    """When it began and ended to answer what such a step sends. A machine that has other work takes longer over it."""
    loop = asyncio.get_running_loop()
    began_s, timeout_s = loop.time(), 30 + 5 * step_s
    while len(load.between(began_s, loop.time())) < RATE * step_s * 0.9:
        assert loop.time() - began_s < timeout_s, f"too few answers in {timeout_s:g} s"
        await asyncio.sleep(0.05)
    return began_s, loop.time()


def _drained(machine: RouterMachine, server: Started) -> None:
    sample = f'slipway_router_process_in_flight{{deployment="blue",process="{server.address}"}}'
    wait_for("blue has nothing under way", lambda: machine.metric(sample) == 0)


def _check(load: Load, splits: list[tuple[int, float, float]], killed_s: float) -> None:
    failed = [one for one in load.sent if one.status != 200]
    assert [one for one in load.sent if one.status == 200 and not one.right] == []

    def was_in_flight(one: Sent) -> bool:
        return one.sent_s <= killed_s + 0.005 and one.done_s >= killed_s

    assert [one for one in failed if one.method == "GET" or not was_in_flight(one)] == []
    for percent, began_s, ended_s in splits:
        answered = load.between(began_s, ended_s)
        hits = sum(one.by == "green" for one in answered)
        assert within_binomial_99(hits, len(answered), percent / 100), (percent, hits, len(answered))


def test_sigterm_ends_it_after_the_last_answer(tmp_path: Path) -> None:
    machine = RouterMachine(tmp_path, {})
    try:
        server = machine.server("blue").listening()
        machine.write({"blue": {"weight": 100, "processes": [server.address]}})
        with asking(machine, "/slow/500") as found:
            wait_for("it is under way", lambda: machine.metric('slipway_router_in_flight{deployment="blue"}') == 1)
            assert machine.router.terminate() == 0
        assert found[0].json()["by"] == "blue"
        assert found[0].headers["connection"] == "close"
    finally:
        machine.close()


def test_a_file_that_is_wrong_at_the_start_ends_it_with_3(tmp_path: Path) -> None:
    (tmp_path / "router.json").write_text("[]")
    started = Started(tmp_path / "log", "-m", "shared.router", "--config", str(tmp_path / "router.json"), "--port", "0")
    assert started.process.wait(30) == 3
    assert "/deployments is no mapping" in started.log()
