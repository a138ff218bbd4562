"""`slipway model push` with all its options, `model show`, `model property`, `audit` and `doctor` on a real server."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from onnx import TensorProto, helper

from shared.cli.partial_download import BLOCK_BYTES
from tests.scenarios.local_host import LocalHost, running
from tests.scenarios.rest import push
from tests.scenarios.test_registry_commands import slipway


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[LocalHost]:
    async with running(tmp_path / "data") as found:
        yield found


def onnx_model() -> bytes:
    """A graph that adds a float to itself."""
    node = helper.make_node("Add", ["x", "x"], ["y"])
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 3]) for name in "xy")
    graph = helper.make_graph([node], "twice", [x], [y])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    content: bytes = made.SerializeToString()
    return content


async def test_everything_a_push_may_say_is_kept_and_shown(host: LocalHost, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "model.onnx").write_bytes(onnx_model())
    (tmp_path / "m" / "extra.pkl").write_bytes(pickle.dumps(os.system))
    await slipway(host, "model", "push", str(tmp_path / "m"), "--name", "parent", "--no-git")
    said = ("--framework", "onnx", "--framework-version", "1.17", "--stage", "Staging", "--run-id", "r-1")
    said += ("--experiment", "trials", "--dataset", "training=azureml:patients:3", "--parent", "parent:1")
    said += ("--tag", "owner=me", "--property", "accuracy=0.9", "--version", "2024.1", "--type", "custom_model")
    pushed = await slipway(host, "model", "push", str(tmp_path / "m"), "--name", "a", "--no-git", *said)
    assert "Registered a:2024.1 (2 files" in pushed.stdout
    assert "WARNING: m/extra.pkl is dangerous" in pushed.stderr
    shown = (await slipway(host, "model", "show", "a:2024.1")).stdout
    lines = {line.partition("  ")[0].strip(): " ".join(line.split()) for line in shown.splitlines()}
    assert lines["framework"] == "framework Onnx"
    assert lines["parent model id"].endswith("parent:1")
    assert "training: azureml:patients:3" in shown
    assert "accuracy" in lines["properties"]
    assert "m/model.onnx: valid" in shown
    assert "WARNING: m/extra.pkl: dangerous" in shown
    assert "opset ai.onnx 17" in shown

    await slipway(host, "model", "property", "a:2024.1", "auc=0.8")
    await slipway(host, "model", "property", "a:2024.1", "auc=0.9", code=4)  # append-only
    found = json.loads((await slipway(host, "model", "show", "a:2024.1", "-o", "json")).stdout)
    assert found["properties"] == {"accuracy": "0.9", "auc": "0.8"}
    await slipway(host, "model", "push", str(tmp_path / "m"), "--name", "a", "--version", "2024.1", code=4)


async def test_a_uri_is_brought_by_the_server_or_refused_with_the_reason(host: LocalHost) -> None:
    refused = await slipway(
        host, "model", "push", "https://models.example.com/m.onnx?sig=s3cret", "--name", "a", code=4
    )
    assert "SLIPWAY_MODEL_SOURCE_HOSTS" in refused.stderr
    assert "s3cret" not in refused.output


async def test_doctor_says_what_is_well_and_what_is_wrong(host: LocalHost) -> None:
    found = json.loads((await slipway(host, "doctor", "-o", "json")).stdout)["findings"]
    states = {one["name"]: one["state"] for one in found}
    assert {states[name] for name in ("server", "clock", "key", "subscriptions", "uploads", "data folder")} == {"ok"}
    assert states["policy"] == "note"
    policies = host.data_dir / "policies"
    policies.mkdir(exist_ok=True)
    (policies / "model.json").write_text('{"type": "wrong"}')
    time.sleep(0.5)  # until it counts as whole
    broken = await slipway(host, "doctor", code=1)
    line = next(line for line in broken.stdout.splitlines() if "policy" in line)
    assert line.startswith("wrong")
    assert "model.json" in line


async def test_the_audit_is_listed_exported_and_broken_chains_are_found(host: LocalHost, tmp_path: Path) -> None:
    async with host.client() as http:
        await push(http, "a", {"model.bin": b"one"})
    listed = (await slipway(host, "audit", "--since", "1h", "--kind", "model")).stdout
    assert "a:1" in listed
    assert "upload" not in listed
    await slipway(host, "audit", "export", str(tmp_path / "audit.jsonl"))
    records = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert {record["key"].partition("/")[0] for record in records} >= {"model", "upload"}
    await slipway(host, "audit", "verify")


async def test_a_killed_download_goes_on_with_what_it_has(host: LocalHost, tmp_path: Path) -> None:
    content = os.urandom(40 * BLOCK_BYTES + 11)
    async with host.client() as http:
        await push(http, "big", {"model.bin": content})
    out = tmp_path / "out"
    command = [sys.executable, "-m", "shared.cli.main", "model", "download", "big:1", str(out)]
    environ = {**os.environ, "SLIPWAY_DATA_DIR": str(host.data_dir)}
    running_download = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not any(out.glob(".model.bin.*.blocks")) and running_download.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    running_download.send_signal(signal.SIGKILL)
    running_download.wait(30)
    assert (out / "model.bin").exists() == (running_download.returncode == 0)
    await slipway(host, "model", "download", "big:1", str(out))
    assert (out / "model.bin").read_bytes() == content
    assert [path.name for path in out.iterdir()] == ["model.bin"]
