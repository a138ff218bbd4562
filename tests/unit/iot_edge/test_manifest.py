"""Deployment manifests: as the schema wants them, and no value gets out of its place."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from shared.compute_settings import load_computes
from shared.deployment_targets.iot_edge.create_options import CHUNK_BYTES, chunked, joined
from shared.deployment_targets.iot_edge.manifest import base_content, layer_content, module_name, module_of
from shared.deployment_targets.iot_edge.rings import NOBODY, Level, rings
from shared.errors import Invalid, NotSupported, SlipwayError
from tests.unit.iot_edge.samples import devices
from tests.unit.kubernetes.samples import autoscaled, deployment, endpoint, scripted

MODULE = f"properties.desired.modules.{module_name('live')}"
REFERENCE = "../shared/reference/json-schemas/azure-iot-edge-deployment-2.0.json"
SCHEMA = Path(os.environ.get("SLIPWAY_TEST_IOT_EDGE_SCHEMA", REFERENCE))
HOSTILE = '"},"x":{"y":"\n$edgeHub\'; DROP'


def module(**more: Any) -> dict[str, Any]:
    content = layer_content(deployment(**more), endpoint(), devices())
    assert list(content["modulesContent"]["$edgeAgent"]) == [MODULE]
    return module_of(content)


def test_a_module_runs_as_no_root_by_digest_with_its_limits() -> None:
    found = module(container={"limits": {"cpu": "0.5", "memory": "256Mi"}}, environ={"A": HOSTILE, "SERVER_PORT": "1"})
    assert "@sha256:" in found["settings"]["image"]
    options = joined(found["settings"])
    assert options["User"] == "65532:65532"
    host = options["HostConfig"]
    assert (host["NanoCpus"], host["Memory"], host["MemorySwap"]) == (500_000_000, 2**28, 2**28)
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert found["env"]["A"] == {"value": HOSTILE}
    assert found["env"]["SERVER_PORT"] == {"value": "5001"}


def test_options_are_cut_at_512_bytes_and_read_back() -> None:
    options = {"Labels": {f"k{index}": "ü" * 40 for index in range(20)}}
    parts = chunked(options)
    assert list(parts)[:3] == ["createOptions", "createOptions01", "createOptions02"]
    assert max(len(part.encode()) for part in parts.values()) <= CHUNK_BYTES
    assert joined({"image": "x", **parts}) == options


def test_manifests_keep_the_published_schema() -> None:
    if not SCHEMA.exists():
        pytest.skip(f"the published schema is not here: {SCHEMA}")
    import jsonschema

    schema = json.loads(SCHEMA.read_text())
    content = base_content(devices().runtime, "secret")  # type: ignore[arg-type]
    jsonschema.validate(content, schema)
    agent = content["modulesContent"]["$edgeAgent"]["properties.desired"]
    agent["modules"] = {module_name("live"): module(environ={"A": HOSTILE}, container={"limits": {"cpu": "1"}})}
    jsonschema.validate(content, schema)


def test_shares_of_traffic_are_rings_of_devices() -> None:
    found = rings({"blue": 90, "green": 10, "red": 0}, devices())
    assert found["blue"].condition == "(tags.site='north')"
    assert found["green"].condition == "(tags.site='north') AND tags.ring >= 0 AND tags.ring < 10"
    assert found["red"].condition == NOBODY
    assert {name: ring.level for name, ring in found.items() if ring.condition} == {
        "blue": Level.REST,
        "green": Level.RING,
    }
    assert rings({}, devices()) == {}


def test_no_device_changes_sides_while_shares_are_shifted() -> None:
    """Whichever is the candidate, its ring begins at 0 and grows; the stable one has the rest until it has nothing."""
    for stable, candidate in (("blue", "green"), ("green", "blue")):
        for share in (1, 10, 50, 75, 99):
            found = rings({stable: 100 - share, candidate: share}, devices(), rest=stable)
            assert found[candidate].condition.endswith(f"tags.ring >= 0 AND tags.ring < {share}")
            assert found[stable].level is Level.REST
        assert rings({stable: 0, candidate: 100}, devices(), rest=stable)[candidate].level is Level.REST


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("target_condition", "tags.a='x') OR (true"),
        ("target_condition", "tags.a='x"),
        ("target_condition", "a;b"),
        ("target_condition", ""),
        ("ring_tag", "ring < 5 OR tags.x"),
        ("hub", "https://hub.example/x"),
        ("sas_policy", "service"),
        ("priority", -1),
        ("success_percent", 0),
    ],
)
def test_a_compute_that_is_wrong_is_refused(field: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        devices(**{field: value})
    entry = {"type": "iot-edge", "name": "edge", "hub": "hub.example", "target_condition": "tags.x=1", field: value}
    with pytest.raises(Invalid, match="SLIPWAY_COMPUTES is wrong"):
        load_computes(json.dumps([entry]))


@pytest.mark.parametrize(
    ("one", "kind", "message"),
    [
        (scripted(), NotSupported, "entry script"),
        (autoscaled(), NotSupported, "autoscaling"),
        (deployment(instances=2), NotSupported, "more than one instance"),
        (deployment(container={"image": "registry.example/x:latest"}), Invalid, "digest"),
        (deployment(container={"limits": {"nvidia.com/gpu": "1"}}), Invalid, "nvidia"),
        (deployment(environ={"A-B": "1"}), Invalid, "environment variables"),
        (deployment(environ={"A": "x" * 5000}), Invalid, "environment variables"),
        (deployment(environ={f"A{index}": "x" * 4000 for index in range(9)}), Invalid, "twin holds"),
    ],
)
def test_what_no_device_can_run_is_refused(one: Any, kind: type[SlipwayError], message: str) -> None:
    with pytest.raises(kind, match=message):
        layer_content(one, endpoint(), devices())


def test_keys_that_a_device_could_not_keep_are_said() -> None:
    with pytest.raises(NotSupported, match="cannot keep"):
        layer_content(deployment(), endpoint(), devices(open_to_callers=False))
