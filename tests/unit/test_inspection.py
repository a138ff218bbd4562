"""Looking into a model's files: ONNX graphs are described, pickles are found out and never run."""

from __future__ import annotations

import asyncio
import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import zipfile
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from shared.adapters.local.artifact_store import LocalArtifactStore
from shared.adapters.local.clock import SystemClock
from shared.adapters.local.signing import UrlSigner
from shared.errors import Invalid
from shared.inspection.inspector import Inspector
from shared.inspection.mlmodel import read_mlmodel
from shared.resources.inspection import ModelInspection
from shared.resources.model import ModelFile

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "diabetes" / "model.onnx"
INSPECTOR = Inspector(max_file_bytes=2**30, timeout_s=60)


async def inspect(folder: Path, files: dict[str, bytes], inspector: Inspector | None = None) -> ModelInspection:
    """The inspection of a model with these files."""
    store = LocalArtifactStore(folder, UrlSigner("secret", SystemClock()))

    async def chunks(content: bytes) -> AsyncIterator[bytes]:
        yield content

    stored = []
    for path, content in files.items():
        artifact = await store.put(chunks(content))
        stored.append(ModelFile(path=path, sha256=artifact.sha256, size_bytes=artifact.size_bytes))
    asked = inspector or Inspector(max_file_bytes=2**30, timeout_s=60)
    return await asked.inspect(stored, store)


class Poison:
    """Its pickle makes a file when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.mark}",)


class Evaluated(Poison):
    def __reduce__(self) -> Any:
        return eval, (f"open({str(self.mark)!r}, 'w').close()",)


def graph(**changes: Any) -> onnx.ModelProto:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", None])
    weights = helper.make_tensor("w", TensorProto.FLOAT, [3, 2], [1.0] * 6)
    node = helper.make_node(changes.get("op", "MatMul"), ["x", "w"], ["y"])
    made = helper.make_graph([node], "g", [x, helper.make_tensor_value_info("w", TensorProto.FLOAT, [3, 2])], [y])
    made.initializer.append(weights)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="test")


async def test_the_example_is_described(tmp_path: Path) -> None:
    found = await inspect(tmp_path, {"model.onnx": EXAMPLE.read_bytes(), "README.md": b"# hello"})
    (one,) = found.onnx
    assert (one.valid, one.problem, one.size_bytes) == (True, None, EXAMPLE.stat().st_size)
    assert [(tensor.dtype, tensor.shape[-1] if tensor.shape else None) for tensor in one.inputs] == [("float32", 10)]
    assert one.opsets["ai.onnx"] >= 13
    assert one.producer.startswith("skl2onnx")
    assert (found.pickles, found.skipped, found.complete) == ([], [], True)


async def test_inputs_outputs_and_opsets_are_those_of_the_graph(tmp_path: Path) -> None:
    found = await inspect(tmp_path, {"m/a.onnx": graph().SerializeToString()})
    (one,) = found.onnx
    assert one.valid
    assert [(t.name, t.dtype, t.shape) for t in one.inputs] == [("x", "float32", ["batch", 3])]
    assert [(t.name, t.dtype, t.shape) for t in one.outputs] == [("y", "float32", ["batch", None])]
    assert (one.opsets, one.ir_version, one.parameter_count, one.producer) == ({"ai.onnx": 17}, 8, 6, "test")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"not onnx at all", "not an ONNX file"),
        (graph(op="NoSuchOperator").SerializeToString(), "NoSuchOperator"),
        (b"", "ir_version"),
        (b"\x0a\xff\xff\xff\xff\x0f" + b"x" * 100, "not an ONNX file"),  # a length of 4 GB
    ],
)
async def test_a_bad_graph_is_invalid_with_the_reason(tmp_path: Path, content: bytes, why: str) -> None:
    (one,) = (await inspect(tmp_path, {"m.onnx": content})).onnx
    assert not one.valid
    assert why in (one.problem or "")


def external(location: str) -> bytes:
    model = graph()
    tensor = model.graph.initializer[0]
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    return model.SerializeToString()


async def test_external_data_counts_and_may_not_be_outside(tmp_path: Path) -> None:
    inside = await inspect(tmp_path, {"m/m.onnx": external("w.bin"), "m/w.bin": b"\0" * 24})
    assert (inside.onnx[0].valid, inside.onnx[0].external_data) == (True, ["w.bin"])
    assert inside.onnx[0].size_bytes == len(external("w.bin")) + 24
    for place in ("/etc/passwd", "../../secret", "..", "a/../../b"):
        (one,) = (await inspect(tmp_path, {"m/m.onnx": external(place), "secret": b"x" * 24})).onnx
        assert not one.valid
        assert "outside of its folder" in (one.problem or "")
    (missing,) = (await inspect(tmp_path, {"m.onnx": external("gone.bin")})).onnx
    assert not missing.valid


def torch_like(payload: bytes, member: str = "archive/data.pkl") -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(member, payload)
        archive.writestr("archive/version", "3")
    return target.getvalue()


def numpy_like(payload: bytes) -> bytes:
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    header += b" " * (64 - (10 + len(header) + 1) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + payload


async def test_what_would_run_commands_is_dangerous_and_is_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "it-was-run"
    system, evaluated = pickle.dumps(Poison(mark)), pickle.dumps({"a": [Evaluated(mark)]}, protocol=2)
    files = {
        "a.pkl": system,
        "old.pickle": b"cos\nsystem\n(S'touch " + str(mark).encode() + b"'\ntR.",
        "b.joblib": evaluated,
        "c.pt": torch_like(system),
        "d.npy": numpy_like(system),
        "e.npz": torch_like(numpy_like(system), "arr_0.npy"),
        "no-suffix": system,
        "zlib.joblib": zlib.compress(system),
        "gzip.pkl": gzip.compress(system),
        "bz2.pkl": bz2.compress(system),
        "xz.pkl": lzma.compress(system),
        "several.pkl": pickle.dumps([1]) + system,
    }
    found = await inspect(tmp_path / "store", files)
    severities = {one.path: one.severity for one in found.pickles}
    assert severities == dict.fromkeys(files, "dangerous")
    assert "posix.system" in next(one.globals for one in found.pickles if one.path == "a.pkl")
    assert not mark.exists()
    pickle.loads(system)  # the payload is a real one
    assert mark.exists()


async def test_what_cannot_be_looked_into_is_never_called_safe(tmp_path: Path) -> None:
    bomb = gzip.compress(b"\0" * (2**20))
    encrypted = bytearray(torch_like(pickle.dumps([1])))
    encrypted[6] |= 1  # the flag of the member's header
    encrypted[encrypted.rindex(b"PK\x01\x02") + 8] |= 1
    encrypted[encrypted.index(b"PK\x01\x02") + 8] |= 1
    nested = io.BytesIO()
    with zipfile.ZipFile(nested, "w") as archive:
        archive.writestr("inner.zip", torch_like(pickle.dumps(Poison(tmp_path / "x"))))
    files = {
        "random.pkl": bytes(range(256)),
        "zeros.pkl": bomb,
        "lz4.joblib": b"\x04\x22\x4d\x18rest",
        "encrypted.pt": bytes(encrypted),
        "nested.pt": nested.getvalue(),
        "cut.pkl": pickle.dumps({"a": 1})[:-3],
    }
    found = await inspect(tmp_path, files)
    severities = {one.path: one.severity for one in found.pickles}
    skipped = {one.path for one in found.skipped}
    assert set(severities) | skipped == set(files)
    assert "safe" not in severities.values()


async def test_harmless_and_unknown_pickles_are_told_apart_and_weights_are_none(tmp_path: Path) -> None:
    from fractions import Fraction

    files = {
        "plain.pkl": pickle.dumps({"a": [1, 2.5, "x"]}),
        "unknown.pkl": pickle.dumps(Fraction(1, 3)),
        "weights.bin": os.urandom(4096),
        "array.npy": b"\x93NUMPY\x01\x00v\x00"
        + b"{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }".ljust(117)
        + b"\n"
        + b"\0" * 8,
    }
    found = await inspect(tmp_path, files)
    assert {one.path: one.severity for one in found.pickles if one.path.endswith(".pkl")} == {
        "plain.pkl": "safe",
        "unknown.pkl": "suspicious",
    }
    assert all(one.severity == "safe" for one in found.pickles if not one.path.endswith("unknown.pkl"))
    assert found.complete


async def test_files_above_the_limit_and_parsers_that_take_too_long_are_said(tmp_path: Path) -> None:
    found = await inspect(tmp_path, {"m.onnx": EXAMPLE.read_bytes()}, Inspector(max_file_bytes=100, timeout_s=60))
    assert [one.path for one in found.skipped] == ["m.onnx"]
    assert not found.complete
    slow = await inspect(tmp_path, {"m.onnx": EXAMPLE.read_bytes()}, Inspector(max_file_bytes=2**30, timeout_s=0.001))
    assert "longer than" in slow.skipped[0].reason


async def test_a_worker_that_wants_all_memory_ends_and_the_others_go_on(tmp_path: Path) -> None:
    """A pickle that says it holds 2**40 bytes."""
    greedy = b"\x80\x04\x8e" + (2**40).to_bytes(8, "little") + b"x."
    found = await inspect(tmp_path, {"greedy.pkl": greedy, "m.onnx": EXAMPLE.read_bytes()})
    assert found.onnx[0].valid
    said = [one.path for one in found.skipped] + [one.path for one in found.pickles if one.severity != "safe"]
    assert said == ["greedy.pkl"]


async def test_many_inspections_at_once_take_turns(tmp_path: Path) -> None:
    inspector = Inspector(max_file_bytes=2**30, timeout_s=60)
    found = await asyncio.gather(
        *(inspect(tmp_path / str(n), {"m.onnx": EXAMPLE.read_bytes()}, inspector) for n in range(4))
    )
    assert all(one.onnx[0].valid for one in found)


SKLEARN = """
artifact_path: model
flavors:
  python_function:
    env: {conda: conda.yaml, virtualenv: python_env.yaml}
    loader_module: mlflow.sklearn
    model_path: model.pkl
    predict_fn: predict
    python_version: 3.11.7
  sklearn:
    code: null
    pickled_model: model.pkl
    serialization_format: cloudpickle
    sklearn_version: 1.5.2
mlflow_version: 2.17.0
model_size_bytes: 1234
model_uuid: 2d8b4c1f0c8e4d7f9a3b5c6d7e8f9a0b
run_id: 1f2e3d4c5b6a79881f2e3d4c5b6a7988
signature:
  inputs: '[{"type": "double", "name": "age", "required": true}]'
  outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1]}}]'
  params: null
utc_time_created: '2026-11-20 10:11:12.131415'
"""


def test_an_mlmodel_file_is_read() -> None:
    found = read_mlmodel(SKLEARN, "model/MLmodel")
    assert set(found.flavors) == {"python_function", "sklearn"}
    assert found.signature is not None
    assert found.signature["inputs"] == [{"type": "double", "name": "age", "required": True}]
    assert (found.run_id, found.mlflow_version) == ("1f2e3d4c5b6a79881f2e3d4c5b6a7988", "2.17.0")
    assert json.dumps(found.model_dump(mode="json"))


@pytest.mark.parametrize("text", ["", "flavors: [a]", "flavors: {a: {}}\nsignature: {inputs: '[{'}", "a: [", "x"])
def test_what_is_no_mlmodel_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_mlmodel(text, "model/MLmodel")
    assert refused.value.faults[0].file == "model/MLmodel"
    assert refused.value.faults[0].line
