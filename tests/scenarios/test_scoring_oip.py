"""The Open Inference Protocol v2 over HTTP, on a real server."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnxruntime
import pytest

from tests.scenarios.scoring_server import MODEL, ROW, ScoringServer, serving

ROWS = [ROW, [value * -1.5 for value in ROW]]


@pytest.fixture(scope="module")
def expected() -> list[float]:
    session = onnxruntime.InferenceSession(str(MODEL / "model.onnx"))
    return [float(value) for value in session.run(None, {"measurements": np.array(ROWS, dtype=np.float32)})[0].ravel()]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScoringServer]:
    with serving(tmp_path_factory.mktemp("models"), "--model", str(MODEL)) as running:
        yield running


def test_oip_health_and_metadata(server: ScoringServer) -> None:
    for path, said in (
        ("/v2/health/live", {"live": True}),  # KServe's client reads the bodies, tritonclient the statuses
        ("/v2/health/ready", {"ready": True}),
        ("/v2/models/diabetes/ready", {"name": "diabetes", "ready": True}),
    ):
        answer = server.client.get(path)
        assert (answer.status_code, answer.json()) == (200, said)
    assert server.client.get("/v2").json()["extensions"] == ["binary_tensor_data"]
    assert server.client.get("/v2/models/diabetes").json() == {
        "name": "diabetes",
        "versions": ["1"],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": "measurements", "datatype": "FP32", "shape": [-1, 10]}],
        "outputs": [{"name": "progression", "datatype": "FP32", "shape": [-1, 1]}],
    }
    missing = server.client.get("/v2/models/other")
    assert (missing.status_code, missing.json()) == (404, {"error": "no model 'other'; there are: diabetes"})
    assert server.client.get("/v2/models/diabetes/versions/2").status_code == 404


def infer_document(**changes: Any) -> dict[str, Any]:
    return {"name": "measurements", "shape": [2, 10], "datatype": "FP32", "data": ROWS, **changes}


def test_oip_infers_from_json(server: ScoringServer, expected: list[float]) -> None:
    flat = [value for row in ROWS for value in row]
    for data in (ROWS, flat):
        request = {"id": "one", "inputs": [infer_document(data=data)]}
        answer = server.client.post("/v2/models/diabetes/versions/1/infer", json=request).json()
        (output,) = answer.pop("outputs")
        assert answer == {"model_name": "diabetes", "model_version": "1", "id": "one"}
        assert (output["name"], output["datatype"], output["shape"]) == ("progression", "FP32", [2, 1])
        assert output["data"] == pytest.approx(expected, rel=1e-6)


def test_oip_infers_from_bytes_to_bytes(server: ScoringServer, expected: list[float]) -> None:
    raw = np.array(ROWS, dtype="<f4").tobytes()
    given = infer_document(parameters={"binary_data_size": len(raw)})
    del given["data"]
    head = json.dumps({"inputs": [given], "outputs": [{"name": "progression", "parameters": {"binary_data": True}}]})
    response = server.client.post(
        "/v2/models/diabetes/infer",
        content=head.encode() + raw,
        headers={"Inference-Header-Content-Length": str(len(head))},
    )
    length = int(response.headers["Inference-Header-Content-Length"])
    described = json.loads(response.content[:length])["outputs"][0]
    assert described["parameters"] == {"binary_data_size": 8}
    assert list(struct.unpack("<2f", response.content[length:])) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ([], 400),
        ({}, 400),
        ({"inputs": [3]}, 400),
        ({"inputs": []}, 422),
        ({"inputs": [infer_document(name="other")]}, 422),
        ({"inputs": [infer_document(datatype="FP64")]}, 422),
        ({"inputs": [infer_document(shape=[2, 9])]}, 422),
        ({"inputs": [infer_document(shape=[0, 10], data=[])]}, 422),
        ({"inputs": [infer_document(shape="x")]}, 400),
        ({"inputs": [infer_document(shape=[-1, 10])]}, 400),
        ({"inputs": [infer_document(data=ROWS[0])]}, 422),
        ({"inputs": [infer_document(data=[ROW, ["a"] * 10])]}, 422),
        ({"inputs": [infer_document(data=[*ROW, ROW])]}, 422),
        ({"inputs": [infer_document(data="x")]}, 400),
        ({"inputs": [infer_document(parameters=3)]}, 400),
        ({"inputs": [infer_document(parameters={"binary_data_size": 80})]}, 400),
        ({"inputs": [infer_document(parameters={"binary_data_size": -1})]}, 400),
        ({"inputs": [infer_document(), infer_document()]}, 400),
        ({"inputs": [infer_document()], "outputs": [{"name": "other"}]}, 422),
        ({"inputs": [infer_document()], "outputs": 3}, 400),
        ({"inputs": [infer_document()], "id": 3}, 400),
    ],
)
def test_oip_refuses_with_a_reason(server: ScoringServer, document: Any, status: int) -> None:
    response = server.client.post("/v2/models/diabetes/infer", json=document)
    assert response.status_code == status, response.text
    assert list(response.json()) == ["error"]


@pytest.mark.parametrize("length", ["-1", "x", "9999"])
def test_oip_refuses_a_wrong_header_length(server: ScoringServer, length: str) -> None:
    headers = {"Inference-Header-Content-Length": length}
    assert server.client.post("/v2/models/diabetes/infer", content=b"{}", headers=headers).status_code == 400
