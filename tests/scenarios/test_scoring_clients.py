"""What clients of others make of the server: NVIDIA's tritonclient, and schemathesis by the server's own document."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.scoring_peers import PEERS
from tests.scenarios.local_host import ROOT
from tests.scenarios.scoring_server import MODEL, ROW, serving
from tests.unit.scoring.onnx_models import COLUMNS, sums

VENV = ROOT / "build" / "tritonclient"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


@pytest.mark.slow
def test_tritonclient_understands_every_answer(tmp_path: Path) -> None:
    python = VENV / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "tritonclient[http,grpc]"], check=True)
    with serving(tmp_path, "--model", str(MODEL), SLIPWAY_SCORING_GRPC_PORT="0") as server:
        script = str(Path(__file__).with_name("triton_client.py"))
        command = [str(python), script, str(server.port), str(server.grpc_port())]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert ended.returncode == 0, ended.stderr
        expected = server.client.post("/score", json=[ROW] * 3).json()
        assert json.loads(ended.stdout) == pytest.approx(expected)


@pytest.mark.slow
def test_kserves_client_understands_every_answer(tmp_path: Path) -> None:
    """In the environment that the benchmarks make of KServe: 450 MB."""
    python = next(peer for peer in PEERS if peer.venv == "kserve").python()
    with serving(tmp_path, "--model", str(MODEL)) as server:
        script = str(Path(__file__).with_name("kserve_client.py"))
        command = [str(python), script, str(server.client.base_url)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert ended.returncode == 0, ended.stderr
        assert json.loads(ended.stdout) == pytest.approx(server.client.post("/score", json=[ROW] * 3).json())


@pytest.mark.parametrize("examples", [8, pytest.param(200, marks=pytest.mark.slow)])
def test_whatever_fits_swagger_or_not_is_answered_as_it_says(tmp_path: Path, examples: int) -> None:
    model = sums(tmp_path, columns=COLUMNS)
    with serving(tmp_path / "log", "--model", str(model.path)) as server:
        command = [
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            f"{server.client.base_url}/swagger.json?version=3.1",
            "--url",
            str(server.client.base_url),
            "--checks",
            CHECKS,
            "--max-examples",
            str(examples),
            "--phases",
            "examples,fuzzing",
            "--seed",
            "1",
            "--no-color",
        ]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=900, cwd=tmp_path)
        assert ended.returncode == 0, ended.stdout[-5000:] + server.log()[-3000:]
        assert server.process.poll() is None
        assert "Traceback" not in server.log()
