"""What a server tells of what it uses and may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shared.scoring.metrics import Metrics
from shared.scoring.usage import add_usage, cpu_limit_cores, cpu_seconds, memory_limit_bytes, resident_bytes

THERE = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("v2", "quota", "period", "cores"),
    [
        ("50000 100000", None, None, 0.5),
        ("max 100000", None, None, THERE),
        (None, "25000", "100000", 0.25),
        (None, "-1", "100000", THERE),
        (None, None, None, THERE),
        ("9900000 100000", None, None, THERE),
    ],
)
def test_processors_are_those_of_the_control_group(
    tmp_path: Path, v2: str | None, quota: str | None, period: str | None, cores: float
) -> None:
    paths = [tmp_path / name for name in ("max", "quota", "period")]
    for path, text in zip(paths, (v2, quota, period), strict=True):
        if text is not None:
            path.write_text(text + "\n")
    assert cpu_limit_cores(paths[0], paths[1:]) == cores


def test_memory_is_the_least_of_all_limits(tmp_path: Path) -> None:
    total = memory_limit_bytes(())
    assert total > resident_bytes() > 1_000_000
    for name, text in (("small", "123456"), ("large", str(2**62)), ("none", "max")):
        (tmp_path / name).write_text(text)
    assert memory_limit_bytes([tmp_path / "small", tmp_path / "large"]) == 123_456
    assert memory_limit_bytes([tmp_path / "none", tmp_path / "large", tmp_path / "absent"]) == total


def test_metrics_tell_it_with_all_digits() -> None:
    metrics = Metrics()
    add_usage(metrics)
    metrics.read("large", "gauge", "A large number.", lambda: 1_234_567_890)
    began = cpu_seconds()
    told = dict(line.split() for line in metrics.text().decode().splitlines() if not line.startswith("#"))
    assert float(told["process_cpu_seconds_total"]) >= began > 0
    assert float(told["process_resident_memory_bytes"]) < float(told["slipway_scoring_memory_limit_bytes"])
    assert told["large"] == "1234567890"
