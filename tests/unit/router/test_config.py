"""The router's file: what is taken, and that every fault is told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.router.config import ConfigError, DeploymentConfig, parse_config, read_config, split_address


def test_a_file_with_everything() -> None:
    config = parse_config(
        {
            "revision": 7,
            "deployments": {
                "blue": {"weight": 90, "processes": ["127.0.0.1:1", "127.0.0.1:1", "[::1]:2"]},
                "green": {"weight": 10, "request_timeout_ms": 100, "max_in_flight": 3},
                "grey": {"mirror_percent": 5},
            },
            "sticky": {"by": "header", "name": "X-User"},
            "hold_timeout_s": 0.5,
        }
    )
    blue, green, grey = config.deployments
    assert blue == DeploymentConfig("blue", 90, ("127.0.0.1:1", "[::1]:2"))
    assert (green.request_timeout_ms, green.max_in_flight, grey.mirror_percent) == (100, 3, 5)
    assert (config.revision, config.sticky_header, config.hold_timeout_s) == ("7", "x-user", 0.5)
    assert parse_config({"deployments": {}, "sticky": {"by": "client"}}).sticky_client
    assert split_address("[::1]:2") == ("::1", 2)


def test_every_fault_is_told() -> None:
    wrong = {
        "deployments": {
            'a"b': {"weight": 50},
            "blue": {"weight": True, "processes": ["nowhere"], "mirror_percent": 51},
            "green": {"weight": 40, "mirror_percent": 5, "colour": 1},
            "grey": {"mirror_percent": 5},
            "red": 7,
        },
        "sticky": {"by": "moon"},
        "hold_timeout_s": float("nan"),
        "more": 1,
    }
    with pytest.raises(ConfigError) as refused:
        parse_config(wrong)
    said = str(refused.value)
    for place in (
        '/deployments/a"b: this',
        "/deployments/blue/weight: True",
        "/deployments/blue/processes: ['nowhere']",
        "/deployments/blue/mirror_percent: 51 (allowed: 0 to 50)",
        "/deployments/green/colour is not known",
        "/deployments/red is no mapping",
        "/sticky: {'by': 'moon'}",
        "/hold_timeout_s: nan",
        "/more is not known",
        "the weights sum up to 90 (allowed: 100 or 0)",
        "more than one has a mirror_percent",
    ):
        assert place in said


@pytest.mark.parametrize("content", ["", "{", "[]", '{"deployments": []}'])
def test_what_is_no_file_of_the_router(tmp_path: Path, content: str) -> None:
    path = tmp_path / "router.json"
    path.write_text(content)
    with pytest.raises(ConfigError):
        read_config(path)
    with pytest.raises(ConfigError, match="can't be read"):
        read_config(tmp_path / "missing.json")
