"""Models that attack: each ends as a failure with its reason, and leaves no process behind."""

from __future__ import annotations

import asyncio
import os
import pickle
import re
import socket
import tempfile
from pathlib import Path

import numpy as np
import pytest

from shared.errors import Permanent
from shared.optimization.optimize import optimize
from shared.optimization.sandbox import Limits, run_worker
from tests.scenarios.optimization_models import OWN, Attack, plan_of, processes_below
from tests.scenarios.test_optimization import write_network

NAME = "slipway-attack-"
FORK_BOMB = "import os\nwhile True:\n os.fork()"
ENDLESS = "while True: pass"
DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)
"""


async def attack(folder: Path, code: str, limits: Limits) -> str:
    """Why it failed."""
    np.save(folder / "rows.npy", np.zeros((2, 2)))
    (folder / "model.pkl").write_bytes(pickle.dumps(Attack(code)))
    request = {"model": str(folder / "model.pkl"), "sample": str(folder / "rows.npy"), "module": "from_sklearn"}
    with tempfile.TemporaryDirectory(prefix=NAME) as scratch:
        with pytest.raises(Permanent) as raised:
            await run_worker(OWN.folder, "convert", {**request, "threads": 1, "opset": None}, Path(scratch), limits)
        assert processes_below(scratch) == []
    return str(raised.value)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (FORK_BOMB, "(it had more than 16 processes|BlockingIOError|took longer)"),
        (ENDLESS, "it took longer than 3 s"),
        ("x = bytearray(10 * 2**30)", "needs more memory than its limit"),
        (DAEMON, "holds NoneType, which is no model"),
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL"),
        ("import os; os._exit(7)", "exit code 7 and without a result"),
        ("import os; os.write(1, b'x' * 10**8); os._exit(0)", "exit code 0 and without a result: x"),
        ("import os; os.symlink('/etc/passwd', 'result.json'); os._exit(0)", "without a result"),
        ("open('result.json', 'w').write('[1'); import os; os._exit(0)", "what is no JSON"),
        ("import os; open('result.json', 'w').write('1' * 9 * 2**20); os._exit(0)", "answered with 9437184 bytes"),
        ("open('large', 'wb').write(bytes(2**21))", "File too large"),
        ("import os; raise ValueError(sorted(os.environ))", "PYTHONDONTWRITEBYTECODE"),
    ],
)
async def test_an_attack_ends_with_its_reason(tmp_path: Path, code: str, reason: str) -> None:
    timeout_s = 3 if code == ENDLESS else 60  # the machine may be busy
    file_bytes = 2**20 * (10 if "9 *" in code else 1)
    os.environ["SLIPWAY_SECRET_OF_TESTS"] = "s3cret"
    try:
        said = await attack(tmp_path, code, Limits(timeout_s, 2**31, 60, file_bytes, 16))
    finally:
        del os.environ["SLIPWAY_SECRET_OF_TESTS"]
    assert re.search(reason, said), said
    assert "SLIPWAY" not in said


async def protections(folder: Path) -> tuple[str, ...]:
    """What this system allows."""
    (folder / "probe").mkdir()
    np.save(folder / "rows.npy", np.zeros((2, 2)))
    request = {"sample": str(folder / "rows.npy"), "calibration": str(folder / "rows.npy"), "outputs": []}
    np.savez(folder / "probe" / "expected.npz", y=np.zeros(2))
    found = await run_worker(OWN.folder, "variants", {**request, "variants": []}, folder / "probe", Limits(60))
    return found.protections


async def test_what_is_said_to_be_in_force_is(tmp_path: Path) -> None:
    found = await protections(tmp_path)
    assert {"limit of memory", "limit of processor time", "limit of file size"} <= set(found)
    outside = tmp_path / "outside"
    if "read-only file system" in found:
        said = await attack(tmp_path, f"open({str(outside)!r}, 'w')", Limits(30))
        assert "OSError" in said or "PermissionError" in said
        assert not outside.exists()
    if "no network" in found:
        with socket.create_server(("127.0.0.1", 0)) as server:
            code = f"import socket; socket.create_connection({server.getsockname()!r}, 5)"
            said = await attack(tmp_path, code, Limits(30))
        assert "OSError" in said or "ConnectionRefused" in said or "PermissionError" in said
    if "no sockets" in found:  # wherever it runs, in a pod, too
        said = await attack(tmp_path, "import socket; socket.socketpair(); socket.socket(socket.AF_INET6)", Limits(30))
        assert "PermissionError" in said
    if "hidden processes" in found:
        code = f"import os; raise ValueError(os.path.exists('/proc/{os.getpid()}/environ') and os.getpid() < 9)"
        assert "ValueError: False" in await attack(tmp_path, code, Limits(30))
    if "own user" in found:
        assert "ValueError: True" in await attack(tmp_path, "import os; raise ValueError(os.getuid() > 0)", Limits(30))


async def test_a_cancelled_optimisation_leaves_nothing(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.zeros((2, 2)))
    code = "import os\nfor _ in range(3):\n os.fork()\nwhile True: pass"
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(Attack(code)))
    before = set(Path(tempfile.gettempdir()).glob("slipway-optimization-*"))
    said: list[str] = []
    task = asyncio.create_task(optimize(plan_of(tmp_path, "model.pkl"), said.append))
    async with asyncio.timeout(60):
        while not said:
            await asyncio.sleep(0.01)
    (scratch,) = set(Path(tempfile.gettempdir()).glob("slipway-optimization-*")) - before
    assert processes_below(str(scratch))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert processes_below(str(scratch)) == []
    assert not scratch.exists()


async def test_the_whole_has_a_time_limit(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.zeros((2, 2)))
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(Attack(ENDLESS)))
    plan = plan_of(tmp_path, "model.pkl")
    short = type(plan)(plan.model, plan.sample, plan.environment, plan.out, timeout_s=2)
    with pytest.raises(Permanent, match="took longer than"):
        await optimize(short)


FORGED = """
import json, os, numpy, onnxruntime
if not os.path.exists("expected.npz"):
    os.symlink({outside!r}, "onnx.onnx")
    os.symlink({kept!r}, "request.json")
    answer = onnxruntime.InferenceSession("onnx.onnx").run(None, {{"x": numpy.load({rows!r}).astype("f")}})
    numpy.savez("expected.npz", y=answer[0])
    open("result.json", "w").write(json.dumps({{"outputs": ["y"], "opsets": {{}}, "packages": {{}}}}))
    os._exit(0)
"""


class Forger:
    """A pickle that answers in the worker's name when it is loaded first, and poses as a model later."""

    def __init__(self, code: str) -> None:
        self.code = code

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, (f"(exec({self.code!r}), type('M', (), {{'predict': lambda self, rows: rows}})())[1]",)


async def test_a_model_cannot_give_away_files_by_links(tmp_path: Path) -> None:
    """What a hostile model leaves in the folder is neither written through nor copied from."""
    outside, kept = tmp_path / "outside.onnx", tmp_path / "kept"
    write_network(tmp_path)
    (tmp_path / "model.onnx").rename(outside)
    kept.write_text("kept")
    code = FORGED.format(outside=str(outside), kept=str(kept), rows=str(tmp_path / "rows.npy"))
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(Forger(code)))
    with pytest.raises(Permanent, match=r"onnx\.onnx is no plain file"):
        await optimize(plan_of(tmp_path, "model.pkl"))
    assert kept.read_text() == "kept"
    assert not list((tmp_path / "out").iterdir())
