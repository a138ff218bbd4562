"""ONNX models as services: every interface on a real server, several models, keys and tokens, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import shutil
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import openapi_spec_validator
import pytest

from tests.scenarios.scoring_server import MODEL, ROW, ScoringServer, serving
from tests.unit.scoring.onnx_models import classes, mixed, sums

ROWS = [ROW, [value * -1.5 for value in ROW]]


@pytest.fixture(scope="module")
def expected() -> list[float]:
    session = onnxruntime.InferenceSession(str(MODEL / "model.onnx"))
    return [float(value) for value in session.run(None, {"measurements": np.array(ROWS, dtype=np.float32)})[0].ravel()]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScoringServer]:
    with serving(tmp_path_factory.mktemp("models"), "--model", str(MODEL)) as running:
        yield running


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScoringServer]:
    """mixed/1, classes/2, classes/10: Azure ML's layout of several models."""
    folder = tmp_path_factory.mktemp("several")
    made = {"mixed": mixed(folder).path, "classes": classes(folder).path}
    for name, version in (("mixed", "1"), ("classes", "2"), ("classes", "10")):
        (folder / "models" / name / version).mkdir(parents=True)
        shutil.copy(made[name], folder / "models" / name / version / "model.onnx")
    with serving(folder / "server", AZUREML_MODEL_DIR=str(folder / "models")) as running:
        yield running


# --- interfaces ---
def test_score_gives_what_onnxruntime_gives(server: ScoringServer, expected: list[float]) -> None:
    response = server.client.post("/score", json={"data": ROWS}, headers={"x-request-id": "mine"})
    assert response.json() == pytest.approx(expected, rel=1e-6)
    assert response.headers["x-request-id"] == "mine"
    assert response.headers["x-ms-run-function-failed"] == "False"
    assert float(response.headers["x-ms-run-fn-exec-ms"]) > 0


def test_power_bi_gets_results(server: ScoringServer, expected: list[float]) -> None:
    response = server.client.post("/score", json={"Inputs": ROWS, "GlobalParameters": {}})
    assert response.json() == {"Results": pytest.approx(expected, rel=1e-6)}


def test_invocations_are_mlflows(server: ScoringServer, expected: list[float]) -> None:
    response = server.client.post("/invocations", json={"dataframe_split": {"data": ROWS}})
    assert response.json() == {"predictions": pytest.approx(expected, rel=1e-6)}
    wrong = server.client.post("/invocations", json={"inputs": [["a"] * 10]})
    assert (wrong.status_code, wrong.json()["error_code"]) == (422, "BAD_REQUEST")


def test_score_by_query(server: ScoringServer, expected: list[float]) -> None:
    response = server.client.get("/score", params={"data": json.dumps(ROWS)})
    assert response.json() == pytest.approx(expected, rel=1e-6)


def test_problems_name_column_and_type(server: ScoringServer) -> None:
    response = server.client.post("/score", json={"data": [[*ROW[:9], "x"]]})
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json() == {
        "type": "about:blank",
        "title": "Invalid input",
        "status": 422,
        "detail": "the data do not fit the model",
        "message": "the data do not fit the model",
        "errors": [{"message": "is the text 'x'", "column": "9", "row": 0, "expected": "float32"}],
    }


@pytest.mark.parametrize("version", ["2", "3", "3.1"])
def test_swagger_has_power_bis_shape_and_is_valid(server: ScoringServer, several: ScoringServer, version: str) -> None:
    document = server.client.get("/swagger.json", params={"version": version}).json()
    openapi_spec_validator.validate(document)
    schemas = document.get("definitions") or document["components"]["schemas"]
    assert set(schemas["ServiceInput"]["properties"]) == {"Inputs", "GlobalParameters"}
    assert set(schemas["ServiceOutput"]["properties"]) == {"Results"}
    assert document["paths"]["/score"]["post"]["operationId"] == "RunMLService"
    example = schemas["ServiceInput"]["example"]
    assert server.client.post("/score", json=example).status_code == 200


@pytest.mark.parametrize("version", ["2", "3", "3.1"])
def test_what_overflows_is_null_and_swagger_says_so(tmp_path: Path, version: str) -> None:
    with serving(tmp_path / "server", "--model", str(sums(tmp_path).path)) as running:
        answer = running.client.post("/score", json={"Inputs": [[3.4e38, 3.4e38, 0.0]]}).json()
        document = running.client.get("/swagger.json", params={"version": version}).json()
    assert answer == {"Results": [None]}
    schemas = document.get("definitions") or document["components"]["schemas"]
    result = schemas["ServiceOutput"]["properties"]["Results"]["items"]
    expected = {"2": {"type": "number", "x-nullable": True}, "3": {"type": "number", "nullable": True}}
    assert result == {"format": "float"} | expected.get(version, {"type": ["number", "null"]})


# --- several models, several types ---
def test_each_of_several_models_has_its_path(several: ScoringServer) -> None:
    response = several.client.post("/score", json=[[1, 2]])
    assert response.status_code == 404
    assert "/models/classes/score, /models/mixed/score" in response.json()["message"]
    assert several.client.get("/v2/models/classes").json()["versions"] == ["2", "10"]
    for path, version in (("/v2/models/classes", "10"), ("/v2/models/classes/versions/2", "2")):
        inputs = [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [0.5, 1]}]
        assert several.client.post(f"{path}/infer", json={"inputs": inputs}).json()["model_version"] == version


def test_labels_and_probabilities(several: ScoringServer) -> None:
    path = "/models/classes/versions/2/score"
    rows = [[0.25, 0.75], [1, 0]]
    probabilities = [{"0": 0.25, "1": 0.75}, {"0": 1, "1": 0}]
    assert several.client.post(path, json=rows).json() == {"label": [1, 0], "probabilities": probabilities}
    assert several.client.post(path, json={"Inputs": rows}).json() == {
        "Results": [{"label": 1, "probabilities": probabilities[0]}, {"label": 0, "probabilities": probabilities[1]}]
    }
    inputs = [{"name": "x", "shape": [2, 2], "datatype": "FP32", "data": rows}]
    outputs = several.client.post("/v2/models/classes/infer", json={"inputs": inputs}).json()["outputs"]
    assert [json.loads(text) for text in outputs[1]["data"]] == probabilities


def test_columns_of_several_types(several: ScoringServer) -> None:
    row = {"age": 1.5, "visits": 2, "city": "Köln", "member": True}
    answer = several.client.post("/models/mixed/score", json=[row]).json()
    assert answer == {f"{name}_out": [value] for name, value in row.items()}
    wrong = several.client.post("/models/mixed/score", json=[{**row, "visits": "2"}]).json()
    assert wrong["errors"] == [{"message": "is the text '2'", "column": "visits", "row": 0, "expected": "int64"}]


def test_texts_as_bytes(several: ScoringServer) -> None:
    city = "Köln".encode()
    raw = struct.pack("<I", len(city)) + city
    inputs = [
        {"name": "age", "shape": [1, 1], "datatype": "FP32", "data": [1]},
        {"name": "city", "shape": [1, 1], "datatype": "BYTES", "parameters": {"binary_data_size": len(raw)}},
        {"name": "visits", "shape": [1, 1], "datatype": "INT64", "data": [3]},
        {"name": "member", "shape": [1, 1], "datatype": "BOOL", "data": [False]},
    ]
    head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    response = several.client.post("/v2/models/mixed/infer", content=head + raw, headers=headers)
    tail = response.content[int(response.headers["Inference-Header-Content-Length"]) :]
    assert tail == struct.pack("<f", 1) + struct.pack("<q", 3) + raw + b"\0"


# --- keys and tokens ---
def token(secret: bytes, claims: dict[str, Any], algorithm: str = "HS256") -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in ({"alg": algorithm}, claims)]
    signature = hmac.new(secret, b".".join(parts), hashlib.sha256).digest()
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


def test_keys_are_rotated_without_a_restart_and_tokens_expire(tmp_path: Path) -> None:
    keys, secret_file, secret = tmp_path / "keys.json", tmp_path / "secret", b"s" * 32
    keys.write_text(json.dumps({"primaryKey": "first", "secondaryKey": "second"}))
    secret_file.write_bytes(secret + b"\n")
    environ = {"SLIPWAY_SCORING_KEYS_FILE": str(keys), "SLIPWAY_SCORING_TOKEN_FILE": str(secret_file)}
    with serving(tmp_path / "server", "--model", str(MODEL), **environ) as server:

        def status(bearer: str | None) -> int:
            headers = {} if bearer is None else {"Authorization": bearer}
            return server.client.post("/score", json={"data": ROWS}, headers=headers).status_code

        now = time.time()
        assert status("Bearer first") == status("bearer second") == 200
        assert status(None) == status("first") == status("Bearer third") == status("Bearer") == 401
        assert status(f"Bearer {token(secret, {'exp': now + 60})}") == 200
        assert status(f"Bearer {token(secret, {'exp': now - 1})}") == 401
        assert status(f"Bearer {token(secret, {'exp': now + 60, 'nbf': now + 30})}") == 401
        assert status(f"Bearer {token(secret, {})}") == 401
        assert status(f"Bearer {token(b't' * 32, {'exp': now + 60})}") == 401
        assert status(f"Bearer {token(secret, {'exp': now + 60}, 'none')}") == 401
        assert status("Bearer a.b.c") == status("Bearer ..") == status("Bearer {}.{}.{}") == 401
        for path in ("/", "/swagger.json", "/metrics", "/v2/health/ready"):
            assert server.client.get(path).status_code == 200, path
        assert server.client.post("/v2/models/diabetes/infer", json={}).status_code == 401

        (tmp_path / "new").write_text(json.dumps({"primaryKey": "third", "secondaryKey": "second"}))
        (tmp_path / "new").replace(keys)
        deadline = time.monotonic() + 10
        while status("Bearer third") != 200:
            assert time.monotonic() < deadline, "the new key is not taken"
            time.sleep(0.05)
        assert status("Bearer first") == 401
        assert status("Bearer second") == 200


# --- starting ---
@pytest.mark.parametrize(
    ("arguments", "environ", "said"),
    [
        ((), {}, "give --model PATH"),
        (("--model", "nowhere"), {}, "no file and no folder"),
        (("--model", "tests/unit"), {}, "holds no .onnx file"),
        (("--model", "README.md"), {}, "is no ONNX model"),
        (("--model", str(MODEL)), {"SLIPWAY_SCORING_KEYS_FILE": "README.md"}, "README.md"),
        (("--model", str(MODEL)), {"SCORING_TIMEOUT_MS": "0"}, "SCORING_TIMEOUT_MS='0': allowed: 1 or more"),
        (("--model", str(MODEL)), {"SLIPWAY_SCORING_MAX_DELAY_MS": "nan"}, "SLIPWAY_SCORING_MAX_DELAY_MS='nan'"),
        (("--model", str(MODEL)), {"AZUREML_LOG_LEVEL": "LOUD"}, "allowed: DEBUG"),
    ],
)
def test_what_cannot_start_ends_with_3_and_says_why(
    tmp_path: Path, arguments: tuple[str, ...], environ: dict[str, str], said: str
) -> None:
    server = ScoringServer(tmp_path, *arguments, **environ)
    assert server.process.wait(30) == 3, server.log()
    assert any(said in each["message"] for each in server.records()), server.log()


def test_a_port_that_is_taken(tmp_path: Path, server: ScoringServer) -> None:
    second = ScoringServer(tmp_path, "--model", str(MODEL), "--port", str(server.port))
    assert second.process.wait(30) == 3
    assert "can't listen on 127.0.0.1 port" in second.log()
