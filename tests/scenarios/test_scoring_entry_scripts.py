"""Entry scripts behave as on azureml-inference-server-http: one table, run against ours and (slow) the real one."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.scenarios.broken_entry_scripts import BROKEN
from tests.scenarios.entry_script_cases import CASES, ENVIRON, SCRIPTS, Case
from tests.scenarios.local_host import ROOT
from tests.scenarios.scoring_server import ScoringServer, serving_script

REFERENCE = ROOT / "build" / "inference-server"
PACKAGES = ("azureml-inference-server-http==1.5.1", "inference-schema==1.8")
OURS = ("httptools", "numpy", "onnxruntime", "orjson", "uvloop")  # what the scoring server itself needs


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ScoringServer]]:
    with all_scripts(tmp_path_factory.mktemp("ours"), sys.executable) as servers:
        yield servers


@pytest.fixture(scope="module")
def beside_the_package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ScoringServer]]:
    """Ours, in an environment that has azureml-inference-server-http and Flask, as many images do."""
    with all_scripts(tmp_path_factory.mktemp("beside"), str(reference_python())) as servers:
        yield servers


@contextlib.contextmanager
def all_scripts(root: Path, python: str) -> Iterator[dict[str, ScoringServer]]:
    servers: dict[str, ScoringServer] = {}
    try:
        for name, source in SCRIPTS.items():
            folder = root / name
            folder.mkdir()
            (folder / "score.py").write_text(source)
            environ = {"AML_APP_ROOT": str(folder), "AZUREML_ENTRY_SCRIPT": "score.py", **ENVIRON.get(name, {})}
            servers[name] = ScoringServer(folder / "server", python=python, **environ)
        for server in servers.values():
            server.ready()
        yield servers
    finally:
        for server in servers.values():
            server.close()


@pytest.mark.parametrize("name", CASES)
def test_entry_script_contract(ours: dict[str, ScoringServer], name: str) -> None:
    case = CASES[name]
    check(case, ours[case.script].client, case.status, case.answer, case.headers)


def check(case: Case, client: httpx.Client, status: int, answer: Any, headers: dict[str, str | None]) -> None:
    response = client.request(case.method, case.target, content=case.body, headers=case.sent)
    assert response.status_code == status, response.text
    assert (response.content if isinstance(answer, bytes) else response.json()) == answer
    for header, value in headers.items():
        assert response.headers.get(header) == value, header
    if case.target.startswith("/score") and status == 200 and case.method == "POST":
        assert float(response.headers["x-ms-run-fn-exec-ms"]) >= 0
        assert len(response.headers["x-ms-run-fn-exec-ms"].partition(".")[2]) == 3


@pytest.mark.parametrize("name", BROKEN)
def test_broken_scripts_end_with_3_and_say_why(tmp_path: Path, name: str) -> None:
    source, said = BROKEN[name]
    (tmp_path / "score.py").write_text(source)
    server = ScoringServer(tmp_path / "log", AML_APP_ROOT=str(tmp_path), AZUREML_ENTRY_SCRIPT="score.py")
    assert server.process.wait(30) == 3
    assert said in json.dumps(server.records()).replace('\\"', '"')


def test_failing_init_lists_what_the_model_folder_holds(tmp_path: Path) -> None:
    (tmp_path / "score.py").write_text("def init(): open('missing')\ndef run(data): pass")
    (tmp_path / "model" / "deep").mkdir(parents=True)
    for index in range(250):
        (tmp_path / "model" / "deep" / f"{index:03}.bin").touch()
    server = ScoringServer(
        tmp_path / "log",
        AML_APP_ROOT=str(tmp_path),
        AZUREML_ENTRY_SCRIPT="score.py",
        AZUREML_MODEL_DIR=str(tmp_path / "model"),
    )
    assert server.process.wait(30) == 3
    listed = next(each["message"] for each in server.records() if "Model Directory Contents" in each["message"])
    assert listed.splitlines()[1:4] == ["model/", "    deep/", "        000.bin"]
    assert len(listed.splitlines()) == 201
    assert any("First 200 lines shown" in each["message"] for each in server.records())


def test_a_script_that_never_ends_costs_its_request_only(tmp_path: Path) -> None:
    source = "import time\ndef init(): pass\ndef run(data):\n  while data == 'spin': pass\n  return data\n"
    with serving_script(tmp_path, source, SCORING_TIMEOUT_MS="200") as server:
        assert server.client.post("/score", content=b"spin").json() == {"message": "Scoring timeout after 200 ms"}
        assert server.client.post("/score", content=b"next").json() == "next"
        assert server.metric('slipway_scoring_requests_total{route="/score",status="500"}') == 1
        deadline = time.monotonic() + 10
        while server.metric("slipway_scoring_abandoned_calls"):
            assert time.monotonic() < deadline, "the endless call is not interrupted"
            time.sleep(0.02)


def test_health_is_answered_while_a_script_runs(tmp_path: Path) -> None:
    source = "import time\ndef init(): pass\ndef run(data):\n  time.sleep(3)\n"
    with serving_script(tmp_path, source) as server, socket.create_connection(("127.0.0.1", server.port)) as busy:
        busy.sendall(b"POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        assert server.client.get("/").text == "Healthy"
        assert server.metric("slipway_scoring_in_flight") == 1


def test_scripts_import_from_their_folders_and_the_old_package(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "helper_of_score.py").write_text("NAME = 'helped'")
    source = (
        "import helper_of_score, os\n"
        "from azureml.contrib.services.aml_request import AMLRequest, rawhttp\n"
        "from azureml.contrib.services.aml_response import AMLResponse\n"
        "def init():\n  global model\n  model = os.listdir(os.environ['AZUREML_MODEL_DIR'])\n"
        "@rawhttp\ndef run(request):\n  assert isinstance(request, AMLRequest)\n"
        "  return AMLResponse([helper_of_score.NAME, model], 200, json_str=True)\n"
    )
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.bin").touch()
    environ = {"AZUREML_SOURCE_DIRECTORY": "source", "AZUREML_MODEL_DIR": str(tmp_path / "model")}
    with serving_script(tmp_path, source, **environ) as server:
        assert server.client.post("/score").json() == ["helped", ["weights.bin"]]


# --- the real one ---
def reference_python() -> Path:
    """The interpreter of an environment with the real server, made when it is not there."""
    python = REFERENCE / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(REFERENCE)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PACKAGES, *OURS], check=True)
    return python


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, httpx.Client]]:
    reference_python()
    processes: list[subprocess.Popen[bytes]] = []
    clients: dict[str, httpx.Client] = {}
    try:
        for name, source in SCRIPTS.items():
            folder = tmp_path_factory.mktemp(f"reference-{name}")
            (folder / "score.py").write_text(source)
            port = _free_port()
            command = [str(REFERENCE / "bin" / "azmlinfsrv"), "--entry_script", "score.py", "--port", str(port)]
            environ = {**os.environ, **ENVIRON.get(name, {})}
            with (folder / "log").open("wb") as log:
                processes.append(subprocess.Popen(command, cwd=folder, env=environ, stdout=log, stderr=log))
            clients[name] = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)
        for client in clients.values():
            _await_health(client)
        yield clients
    finally:
        for client in clients.values():
            client.close()
        for process in processes:
            process.terminate()
            process.wait(30)


def _await_health(client: httpx.Client) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            client.get("/").raise_for_status()
            return
        except httpx.HTTPError:
            assert time.monotonic() < deadline, "azureml-inference-server-http does not start"
            time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_it_is_the_same_beside_the_real_package(beside_the_package: dict[str, ScoringServer], name: str) -> None:
    """Its classes are then the installed ones, and @rawhttp gives Flask's request."""
    case = CASES[name]
    check(case, beside_the_package[case.script].client, case.status, case.answer, case.headers)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_the_table_is_what_the_real_server_answers(reference: dict[str, httpx.Client], name: str) -> None:
    case = CASES[name]
    assert bool(case.reference) == bool(case.why)
    own = {"status": case.status, "answer": case.answer, "headers": case.headers, **case.reference}
    check(case, reference[case.script], own["status"], own["answer"], own["headers"])


@pytest.mark.slow
@pytest.mark.parametrize("version", ["2", "2.0", "3", "3.0", "3.1"])
@pytest.mark.parametrize("script", ["text", "schema"])
def test_swagger_describes_the_same_operations(
    ours: dict[str, ScoringServer], reference: dict[str, httpx.Client], script: str, version: str
) -> None:
    path = f"/swagger.json?version={version}"
    mine, real = ours[script].client.get(path).json(), reference[script].get(path).json()
    assert operations(mine) == operations(real)
    for document in (mine, real):
        document.setdefault("definitions", document.get("components", {}).get("schemas"))
    for name in ("ServiceInput", "ServiceOutput", "ErrorResponse"):
        assert mine["definitions"][name] == real["definitions"][name]


def operations(document: dict[str, Any]) -> set[tuple[str, str, str]]:
    paths = document["paths"].items()
    return {(path, method, each["operationId"]) for path, methods in paths for method, each in methods.items()}
