"""The Open Inference Protocol over gRPC: the same answers and refusals as over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest

from shared.scoring.oip.grpc_messages import MESSAGES, SERVICE
from tests.scenarios.scoring_server import MODEL, ROW, ScoringServer, serving, wait_for


class Client:
    """Calls by name."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel

    def __call__(self, name: str, metadata: Any = (), /, **fields: Any) -> Any:
        call = self._channel.unary_unary(
            f"/{SERVICE}/{name}",
            request_serializer=MESSAGES[f"{name}Request"].SerializeToString,
            response_deserializer=MESSAGES[f"{name}Response"].FromString,
        )
        return call(MESSAGES[f"{name}Request"](**fields), metadata=metadata, timeout=20)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScoringServer]:
    folder = tmp_path_factory.mktemp("grpc")
    (folder / "keys.json").write_text(json.dumps({"primaryKey": "key"}))
    environ = {"SLIPWAY_SCORING_GRPC_PORT": "0", "SLIPWAY_SCORING_KEYS_FILE": str(folder / "keys.json")}
    with serving(folder / "log", "--model", str(MODEL), **environ) as running:
        yield running


@pytest.fixture
def client(server: ScoringServer) -> Iterator[Client]:
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port()}") as channel:
        yield Client(channel)


KEY = (("authorization", "Bearer key"),)


def given(**changes: Any) -> dict[str, Any]:
    return {"name": "measurements", "datatype": "FP32", "shape": [1, 10], "contents": {"fp32_contents": ROW}, **changes}


def test_values_are_those_of_http(server: ScoringServer, client: Client) -> None:
    expected = server.client.post("/score", json=[ROW], headers={"Authorization": "Bearer key"}).json()
    raw = {**given(), "contents": None}
    for fields in (
        {"inputs": [given()]},
        {"inputs": [raw], "raw_input_contents": [np.array(ROW, dtype="<f4").tobytes()]},
        {"inputs": [given()], "outputs": [{"name": "progression"}], "model_version": "1"},
    ):
        answer = client("ModelInfer", KEY, model_name="diabetes", id="one", **fields)
        assert (answer.model_name, answer.model_version, answer.id) == ("diabetes", "1", "one")
        assert (answer.outputs[0].name, list(answer.outputs[0].shape)) == ("progression", [1, 1])
        assert np.frombuffer(answer.raw_output_contents[0], dtype="<f4").tolist() == pytest.approx(expected)
    answered = 'slipway_scoring_requests_total{route="grpc ModelInfer",status="200"}'
    wait_for(lambda: server.metric(answered) >= 3, "three requests in the metrics, which are counted after the answer")
    wait_for(lambda: server.metric("slipway_scoring_in_flight") == 0, "no request in flight")


def test_health_and_metadata_need_no_key(client: Client) -> None:
    assert client("ServerLive").live
    assert client("ServerReady").ready
    assert client("ModelReady", name="diabetes").ready
    assert client("ServerMetadata").name == "slipway"
    found = client("ModelMetadata", name="diabetes")
    assert (list(found.versions), list(found.inputs[0].shape)) == (["1"], [-1, 10])


@pytest.mark.parametrize(
    ("metadata", "fields", "code", "said"),
    [
        ((), {"inputs": [given()]}, grpc.StatusCode.UNAUTHENTICATED, "Bearer"),
        (KEY, {"inputs": [given()], "model_name": "other"}, grpc.StatusCode.NOT_FOUND, "no model 'other'"),
        (KEY, {"inputs": [given()], "model_version": "9"}, grpc.StatusCode.NOT_FOUND, "no version '9'"),
        (KEY, {"inputs": []}, grpc.StatusCode.INVALID_ARGUMENT, "inputs are missing: measurements"),
        (KEY, {"inputs": [given(shape=[2, 10])]}, grpc.StatusCode.INVALID_ARGUMENT, "measurements has 10 values"),
        (KEY, {"inputs": [given(datatype="FP64")]}, grpc.StatusCode.INVALID_ARGUMENT, "expected: FP32"),
        (KEY, {"inputs": [given(datatype="?")]}, grpc.StatusCode.INVALID_ARGUMENT, "has the datatype '?'"),
        (KEY, {"inputs": [given()], "raw_input_contents": [b"a", b"b"]}, grpc.StatusCode.INVALID_ARGUMENT, "raw"),
        (KEY, {"inputs": [given()], "raw_input_contents": [b"abc"]}, grpc.StatusCode.INVALID_ARGUMENT, "3 bytes"),
    ],
)
def test_refusals_have_their_code_and_reason(
    client: Client, metadata: Any, fields: dict[str, Any], code: grpc.StatusCode, said: str
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        client("ModelInfer", metadata, **{"model_name": "diabetes", **fields})
    assert caught.value.code() is code
    assert said in caught.value.details()
