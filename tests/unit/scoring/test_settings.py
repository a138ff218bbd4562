"""Settings come from the environment, and are documented as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.scoring.errors import StartError
from shared.scoring.models.cpus import usable_threads
from shared.scoring.settings import Settings, from_environment, table

ROOT = Path(__file__).parents[3]


def test_every_setting_is_documented_with_its_default() -> None:
    lines = (ROOT / "docs" / "scoring.md").read_text().splitlines()
    documented = [
        tuple(cell.strip().strip("`") for cell in line.strip("|").split("|")) for line in lines if "| `" in line
    ]
    expected = [(name, default or "none", text) for name, default, text in table()]
    assert [row for row in documented if row in set(expected)] == expected
    assert len({name for name, _, _ in expected}) == len(expected)


def test_nothing_given_is_azures_defaults() -> None:
    settings = from_environment({"SERVER_PORT": "", "UNKNOWN": "x"})
    assert settings == Settings()
    assert (settings.port, settings.workers, settings.scoring_timeout_ms) == (5001, 1, 3_600_000)


def test_values_are_read() -> None:
    settings = from_environment(
        {
            "SERVER_PORT": "80",
            "AML_CORS_ORIGINS": " a , b,",
            "SLIPWAY_SCORING_ACCESS_LOG": "TRUE",
            "AZUREML_MODEL_DIR": "/m",
            "AZUREML_LOG_LEVEL": "debug",
        }
    )
    assert (settings.port, settings.cors_origins, settings.access_log) == (80, ("a", "b"), True)
    assert (settings.model_dir, settings.log_level) == (Path("/m"), "DEBUG")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SERVER_PORT", "x"),
        ("SERVER_PORT", "65536"),
        ("WORKER_COUNT", "0"),
        ("SLIPWAY_SCORING_COLLECT_PERCENT", "101"),
        ("SLIPWAY_SCORING_ACCESS_LOG", "maybe"),
        ("SLIPWAY_SCORING_DRAIN_TIMEOUT_S", "-1"),
    ],
)
def test_what_is_not_allowed_is_named(variable: str, value: str) -> None:
    with pytest.raises(StartError, match=f"{variable}='{value}'"):
        from_environment({variable: value})


@pytest.mark.parametrize(
    ("files", "cores", "threads"),
    [
        ({}, 8, 8),
        ({"cpu.max": "max 100000"}, 8, 8),
        ({"cpu.max": "150000 100000"}, 8, 2),
        ({"cpu.max": "10000 100000"}, 8, 1),
        ({"cpu.max": "1600000 100000"}, 8, 8),
        ({"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 8, 3),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8, 8),
        ({"cpu,cpuacct/cpu.cfs_quota_us": "50000", "cpu,cpuacct/cpu.cfs_period_us": "100000"}, 8, 1),
    ],
)
def test_threads_fit_the_cgroup(tmp_path: Path, files: dict[str, str], cores: int, threads: int) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert usable_threads(tmp_path, cores) == threads
