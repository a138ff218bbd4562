"""Run by an interpreter that has tritonclient: `triton_client.py HTTP_PORT GRPC_PORT`. Ends with 1, and says why, when
NVIDIA's own client does not understand an answer."""

from __future__ import annotations

import sys

import numpy as np
import tritonclient.grpc as grpc
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

ROWS = np.array([[0.03, 0.05, 0.06, 0.02, -0.04, -0.03, -0.04, -0.002, 0.02, -0.02]] * 3, dtype=np.float32)


def check_grpc(port: str) -> list[float]:
    """The values that come back over gRPC."""
    client = grpc.InferenceServerClient(f"127.0.0.1:{port}")
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("diabetes", "1")
    assert list(client.get_server_metadata().extensions) == ["binary_tensor_data"]
    metadata = client.get_model_metadata("diabetes")
    assert (metadata.inputs[0].datatype, list(metadata.inputs[0].shape)) == ("FP32", [-1, 10])
    given = grpc.InferInput("measurements", list(ROWS.shape), "FP32")
    given.set_data_from_numpy(ROWS)
    result = client.infer("diabetes", [given], request_id="mine")
    assert result.get_response().id == "mine"
    said = ""
    try:
        client.infer("other", [given])
    except InferenceServerException as error:
        said = str(error)
    assert said.startswith("[StatusCode.NOT_FOUND] no model 'other'"), said
    return list(result.as_numpy("progression").ravel().tolist())


def main(port: str, grpc_port: str) -> None:
    client = triton.InferenceServerClient(f"127.0.0.1:{port}")
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("diabetes")
    assert client.is_model_ready("diabetes", "1")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    assert client.get_model_metadata("diabetes")["inputs"][0]["datatype"] == "FP32"
    answers = []
    for binary_in in (True, False):
        for binary_out in (True, False):
            given = triton.InferInput("measurements", list(ROWS.shape), "FP32")
            given.set_data_from_numpy(ROWS, binary_data=binary_in)
            wanted = triton.InferRequestedOutput("progression", binary_data=binary_out)
            for outputs in ([wanted], None):
                result = client.infer("diabetes", [given], outputs=outputs, request_id="mine")
                assert result.get_response()["id"] == "mine"
                answers.append(result.as_numpy("progression"))
    packed = client.infer(
        "diabetes", [given], response_compression_algorithm="gzip", request_compression_algorithm="gzip"
    )
    answers.append(packed.as_numpy("progression"))
    assert all(answer.shape == (3, 1) and answer.dtype == np.float32 for answer in answers)
    assert all((answer == answers[0]).all() for answer in answers)
    said = ""
    try:
        client.infer("other", [given])
    except InferenceServerException as error:
        said = str(error)
    assert "no model 'other'" in said
    assert check_grpc(grpc_port) == answers[0].ravel().tolist()
    print(answers[0].ravel().tolist())


if __name__ == "__main__":
    main(*sys.argv[1:])
