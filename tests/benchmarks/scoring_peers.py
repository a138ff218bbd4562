"""The servers that the scoring server is measured beside, each in an environment of its own from PyPI."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.report import BUILD, ROOT
from tests.benchmarks.scoring_models import FEATURES

VENVS = BUILD / "scoring"
OURS = Path(sys.executable)

_LOAD = """
import numpy as np, onnxruntime, orjson
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession({model!r}, options)
names = [each.name for each in session.get_outputs()]
def predict(rows):
    return session.run(names, {{"input": np.array(rows, dtype=np.float32)}})[0].ravel()
"""
_FLOOR = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({{"type": kind + ".complete"}})
            if kind.endswith("shutdown"):
                return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    answer = orjson.dumps(predict(orjson.loads(body)["data"]), option=orjson.OPT_SERIALIZE_NUMPY) if body else b"ok"
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({{"type": "http.response.start", "status": 200, "headers": headers}})
    await send({{"type": "http.response.body", "body": answer}})
"""
_FASTAPI = """
from fastapi import FastAPI, Request, Response
app = FastAPI()
@app.get("/")
async def health():
    return "ok"
@app.post("/score")
async def score(request: Request):
    rows = orjson.loads(await request.body())["data"]
    return Response(orjson.dumps(predict(rows), option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")
"""
_AZUREML = """
import json
def init():
    pass
def run(data):
    return predict(json.loads(data)["data"]).tolist()
"""
_BENTOML = """
import bentoml
@bentoml.service
class Scorer:
    @bentoml.api(route="/score")
    def score(self, data: list[list[float]]) -> list[float]:
        return predict(data).tolist()
"""
_MLSERVER = """
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse
class Model(MLModel):
    async def load(self):
        return True
    async def predict(self, payload):
        rows = NumpyCodec.decode_input(payload.inputs[0]).astype(np.float32)
        found = session.run(names, {{"input": rows}})[0]
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("output", found)])
"""
_KSERVE = """
from kserve import Model, ModelServer
class Scorer(Model):
    def __init__(self):
        super().__init__("m")
        self.ready = True
    async def predict(self, payload, headers=None):
        return {{"predictions": predict(payload["instances"]).tolist()}}
if __name__ == "__main__":
    ModelServer(http_port={port}, enable_grpc=False, workers=1).start([Scorer()])
"""


def _data(rows: list[list[float]]) -> bytes:
    return json.dumps({"data": rows}).encode()


def _oip(rows: list[list[float]]) -> bytes:
    flat = [value for row in rows for value in row]
    one = {"name": "input", "shape": [len(rows), FEATURES], "datatype": "FP32", "data": flat}
    return json.dumps({"inputs": [one]}).encode()


@dataclass(frozen=True)
class Peer:
    """A server: how it is installed and started on {port} with {model}, and what is sent to it."""

    name: str
    venv: str  # "" is this environment
    packages: tuple[str, ...]
    files: dict[str, str]
    command: tuple[str, ...]
    path: str = "/score"
    health: str = "/"
    body: Callable[[list[list[float]]], bytes] = _data
    environ: dict[str, str] = field(default_factory=dict)

    def python(self) -> Path:
        """Its interpreter, made with its packages when it is not there."""
        if not self.venv:
            return OURS
        python = VENVS / self.venv / "bin" / "python"
        if not python.exists():
            subprocess.run([OURS, "-m", "venv", VENVS / self.venv], check=True)
            subprocess.run([python, "-m", "pip", "install", "-q", *self.packages], check=True)
        return python


OURS_COMMAND = ("{python}", "-m", "shared.scoring", "--host", "127.0.0.1", "--port", "{port}", "--model", "{folder}")
_RUNTIME = ("onnxruntime", "numpy", "orjson")
_UVICORN = ("{python}", "-m", "uvicorn", "app:app", "--port", "{port}", "--no-access-log", "--log-level", "error")
_ASGI = ("fastapi", "uvicorn[standard]", *_RUNTIME)
PEERS = (
    Peer("Slipway", "", (), {}, OURS_COMMAND, health="/v2/health/ready", environ={"PYTHONPATH": str(ROOT)}),
    Peer(
        "Slipway, collecting 100 %", "", (), {}, OURS_COMMAND, health="/v2/health/ready",
        environ={"PYTHONPATH": str(ROOT), "SLIPWAY_SCORING_COLLECT_DIR": "{work}/collected"},
    ),
    Peer(
        "Slipway, entry script", "", (), {"score.py": _LOAD + _AZUREML},
        ("{python}", "-m", "shared.scoring", "--host", "127.0.0.1", "--port", "{port}"), health="/v2/health/ready",
        environ={"PYTHONPATH": str(ROOT), "AML_APP_ROOT": "{work}", "AZUREML_ENTRY_SCRIPT": "score.py"},
    ),
    Peer("bare ASGI on uvicorn (the floor)", "fastapi", _ASGI, {"app.py": _LOAD + _FLOOR}, _UVICORN),
    Peer("FastAPI, orjson, by hand", "fastapi", _ASGI, {"app.py": _LOAD + _FASTAPI}, _UVICORN),
    Peer(
        "azureml-inference-server-http", "azureml", ("azureml-inference-server-http", *_RUNTIME),
        {"score.py": _LOAD + _AZUREML},
        ("{python}", "-m", "azureml_inference_server_http", "--entry_script", "score.py", "--port", "{port}"),
    ),
    Peer(
        "MLServer", "mlserver", ("mlserver", *_RUNTIME),
        {
            "app.py": _LOAD + _MLSERVER,
            "settings.json": '{{"http_port": {port}, "grpc_port": {spare}, "metrics_port": {third}, '
            '"parallel_workers": 0, "host": "127.0.0.1"}}',
            "model-settings.json": '{{"name": "m", "implementation": "app.Model"}}',
        },
        ("{bin}/mlserver", "start", "."), "/v2/models/m/infer", "/v2/health/ready", _oip,
    ),
    Peer(
        "KServe, Python", "kserve", ("kserve", *_RUNTIME), {"app.py": _LOAD + _KSERVE}, ("{python}", "app.py"),
        "/v1/models/m:predict", "/v2/health/ready", lambda rows: json.dumps({"instances": rows}).encode(),
    ),
    Peer(
        "BentoML", "bentoml", ("bentoml", *_RUNTIME), {"service.py": _LOAD + _BENTOML},
        ("{bin}/bentoml", "serve", "service:Scorer", "--port", "{port}"), health="/livez",
        environ={"BENTOML_DO_NOT_TRACK": "true"},
    ),
    Peer(
        "mlflow models serve", "mlflow", ("mlflow", "onnx", "pandas", *_RUNTIME),
        {"save.py": 'import mlflow.onnx, onnx\nmlflow.onnx.save_model(onnx.load({model!r}), "saved")\n'},
        ("{bin}/mlflow", "models", "serve", "-m", "saved", "--env-manager", "local", "-p", "{port}", "-w", "1"),
        "/invocations", "/ping", lambda rows: json.dumps({"inputs": rows}).encode(),
    ),
)  # fmt: skip
