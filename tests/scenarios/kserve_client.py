"""Run by an interpreter that has kserve: `kserve_client.py URL`. Prints what came back; ends with 1 when KServe's own
client does not understand an answer."""

from __future__ import annotations

import asyncio
import json
import sys

import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

ROWS = np.array([[0.03, 0.05, 0.06, 0.02, -0.04, -0.03, -0.04, -0.002, 0.02, -0.02]] * 3, dtype=np.float32)


async def main(url: str) -> None:
    client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=20))
    assert await client.is_server_live(url)
    assert await client.is_server_ready(url)
    assert await client.is_model_ready(url, "diabetes")
    answers = []
    for as_bytes in (False, True):
        given = InferInput("measurements", list(ROWS.shape), "FP32")
        given.set_data_from_numpy(ROWS, binary_data=as_bytes)
        asked = InferRequest(model_name="diabetes", infer_inputs=[given], request_id="mine")
        answer = await client.infer(url, asked, model_name="diabetes")
        assert (answer.id, answer.model_name) == ("mine", "diabetes")
        answers.append(answer.outputs[0].as_numpy().ravel().tolist())
    assert answers[0] == answers[1]
    print(json.dumps(answers[0]))


asyncio.run(main(sys.argv[1]))
