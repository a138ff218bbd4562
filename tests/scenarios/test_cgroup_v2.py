"""Limits by cgroup v2, on a kernel whose version 2 has the controllers (see cgroup_v2_machine)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.cgroup_v2_machine import KERNEL, answered

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(KERNEL is None, reason="needs linux.uml: apt-get install user-mode-linux"),
]


async def test_a_part_of_a_core_is_all_it_gets(tmp_path: Path) -> None:
    found = await answered(tmp_path, "cpu")
    assert (found["method"], found["left"]) == ("cgroup v2", False)
    assert 0 < found["cpu_s"] < 1.5  # of two seconds and the start; without a limit it were two and more
    assert found["throttled"] > 5


async def test_what_wants_more_memory_is_killed(tmp_path: Path) -> None:
    found = await answered(tmp_path, "memory")
    assert (found["method"], found["left"]) == ("cgroup v2", False)
    assert found["oom_kills"] == 1
    assert found["peak_mib"] <= 65


async def test_a_fork_bomb_is_held_and_ended(tmp_path: Path) -> None:
    found = await answered(tmp_path, "processes")
    assert (found["method"], found["left"]) == ("cgroup v2", False)
    assert found["refused"] > 0


async def test_a_whole_profile_says_why_a_model_cannot_be_measured(tmp_path: Path) -> None:
    found = await answered(tmp_path, "poisoned")
    assert (found["method"], found["state"]) == ("cgroup v2", "Failed")
    assert "more than its 256 MiB" in found["error"]
