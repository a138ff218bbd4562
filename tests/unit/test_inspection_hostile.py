"""Files made to be overlooked, to break the inspection, or to stop it: none of them is called safe, and none is run."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import io
import os
import pickle
import signal
import sys
import tarfile
import tempfile
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper

from shared.errors import Invalid
from shared.inspection.inspector import Inspector
from shared.inspection.mlmodel import read_mlmodel
from shared.inspection.worker_run import WorkerRun
from shared.resources.inspection import ModelInspection
from tests.unit.test_inspection import EXAMPLE, SKLEARN, Poison, graph, inspect, numpy_like, torch_like

TORCH_MAGIC = 0x1950A86A20F9469CFC6C
HANGS = b"." * 40_000_000  # forty million pickles that end at once
GARBLED = b"\x80\x04\xff\xff" + b"x" * 100


def zipped(*members: tuple[str, bytes]) -> bytes:
    target = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(target, "w") as archive:
        warnings.simplefilter("ignore")  # two members of one name
        for name, content in members:
            archive.writestr(name, content)
    return target.getvalue()


def tarred(name: str, content: bytes) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


def encrypted(archive: bytes) -> bytes:
    """Says that it is, which PyTorch's reader does not mind."""
    changed = bytearray(archive)
    changed[6] |= 1
    changed[changed.index(b"PK\x01\x02") + 8] |= 1
    return bytes(changed)


async def test_a_payload_is_found_wherever_a_loader_would_find_it(tmp_path: Path) -> None:
    mark = tmp_path / "it-was-run"
    system, harmless = pickle.dumps(Poison(mark)), pickle.dumps([1])
    legacy = pickle.dumps(TORCH_MAGIC, 2) + pickle.dumps(1001, 2) + pickle.dumps({}, 2) + system + pickle.dumps([], 2)
    files = {
        "archive-behind.pkl": system + zipped(("readme.txt", b"hi")),
        "archive-behind-no-suffix": system + zipped(("a.pkl", harmless)),
        "same-name-twice.pt": zipped(("a/data.pkl", system), ("a/data.pkl", harmless)),
        "compressed-inside.npz": torch_like(gzip.compress(system), "model.pkl"),
        "said-to-be-encrypted.pt": encrypted(torch_like(system)),
        "no-suffix-inside.data": zipped(("x.bin", b"cos\nsystem\n(S'true'\ntR.")),
        "tar.pt": tarred("pickle", system),
        "tar.tar": tarred("pickle", system),
        "model.pkl.gz": gzip.compress(system),
        "tar-in-gzip": gzip.compress(tarred("pickle", system)),
        "model.pkl.z": zlib.compress(system),
        "array-of-objects.dat": numpy_like(system),
        "array-of-objects": numpy_like(system),
        "legacy.pt": legacy + b"\xff" * 64,
        "second-breaks-the-scanner.bin": b"cos\nsystem\n(S'true'\ntR." + b"\x93.",
    }
    found = await inspect(tmp_path / "store", files)
    assert {one.path: one.severity for one in found.pickles} == dict.fromkeys(files, "dangerous")
    assert next(one.member for one in found.pickles if one.path == "same-name-twice.pt") == "a/data.pkl"
    assert found.complete
    assert not mark.exists()


async def test_what_cannot_be_parsed_is_unreadable_and_not_left_out(tmp_path: Path) -> None:
    files = {
        "garbled": GARBLED,
        "garbled.bin": GARBLED,
        "garbled-inside.pt": torch_like(GARBLED),
        "compressed-twice.pkl": gzip.compress(gzip.compress(pickle.dumps([1]))),
        "lz4": b"\x04\x22\x4d\x18rest",
        "7z.pt": b"7z\xbc\xaf\x27\x1c" + b"x" * 50,
        "broken-tar.pt": tarred("pickle", GARBLED),
        "cut.zip": torch_like(pickle.dumps([1]))[:60],
        "empty.pkl": b"",
        "array.npy": b"\x93NUMPY\x01\x00\x10\x00" + b"(" * 16,
        "objects.npy": numpy_like(GARBLED),
        "more-behind.pkl": pickle.dumps([1]) + b"\xff\xff" + pickle.dumps(Poison(tmp_path / "x")),
    }
    found = await inspect(tmp_path, files)
    said = {one.path: one.severity for one in found.pickles} | {one.path: "unreadable" for one in found.skipped}
    assert said == dict.fromkeys(files, "unreadable")
    assert all(one.problem for one in found.pickles)


async def test_real_files_of_joblib_numpy_and_old_pytorch_raise_no_false_alarm(tmp_path: Path) -> None:
    legacy = b"".join(pickle.dumps(one, 2) for one in (TORCH_MAGIC, 1001, {"little_endian": True}, {"w": 1}, ["0"]))
    numbers, archive = io.BytesIO(), io.BytesIO()
    np.save(numbers, np.ones((3, 4)))
    np.savez_compressed(archive, a=np.ones(9), b=np.arange(3))
    harmless = {
        "legacy.pt": legacy + os.urandom(4096),
        "opcodes-among-the-numbers.pt": legacy + b"N." + b"\x93." + os.urandom(64),
        "plain.pkl": pickle.dumps({"w": np.ones((3, 4))}),
        "numbers.npy": numbers.getvalue(),
        "numbers.npz": archive.getvalue(),
    }
    for name in ("a.joblib", "a.pkl.gz", "a.joblib.bz2", "a.joblib.xz", "a.joblib.z", "a.pkl.lzma"):
        joblib.dump({"name": "model", "coefficients": [1.0, 2.0]}, tmp_path / name)
        harmless[name] = (tmp_path / name).read_bytes()
    weights = {"weights.bin": b"\0" + os.urandom(4096), "rows.csv.gz": gzip.compress(b"a,b\n1,2\n")}
    found = await inspect(tmp_path / "store", harmless | weights)
    assert {one.path: one.severity for one in found.pickles} == dict.fromkeys(harmless, "safe")
    assert found.complete


async def test_an_array_in_a_joblib_file_is_never_called_safe(tmp_path: Path) -> None:
    """joblib puts raw numbers between the opcodes: what stands behind them can't be seen."""
    joblib.dump({"w": np.ones(100)}, tmp_path / "m.joblib")
    found = await inspect(tmp_path / "store", {"m.joblib": (tmp_path / "m.joblib").read_bytes()})
    (one,) = found.pickles
    assert one.severity == "suspicious"
    assert one.problem is not None


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.one_of(st.binary(max_size=200), st.binary(max_size=60).map(lambda rest: b"\x80\x04" + rest)),
        min_size=8,
        max_size=30,
    )
)
async def test_random_bytes_never_break_it(contents: list[bytes]) -> None:
    names = ("a.onnx", "b.pkl", "c.pt", "d.npy", "e.npz", "f.joblib")
    files = {f"{n}/{name}": content for n, content in enumerate(contents) for name in names[n % 2 :: 2]}
    with tempfile.TemporaryDirectory() as folder:
        found = await inspect(Path(folder), files)
    said = [one.path for one in (*found.onnx, *found.pickles, *found.skipped)]
    assert sorted(said) == sorted(files)  # each once: none is left out
    assert not any(one.valid for one in found.onnx)


async def test_numbers_and_names_of_a_graph_cannot_flood_the_report(tmp_path: Path) -> None:
    huge, wide, many = graph(), graph(), graph()
    huge.graph.initializer[0].dims[:] = [2**62] * 1200
    for _ in range(300_000):
        wide.graph.input[0].type.tensor_type.shape.dim.add()
    many.opset_import.extend(helper.make_opsetid(f"domain-{n}" * 50, 1) for n in range(10_000))
    files = {"huge.onnx": huge, "wide.onnx": wide, "many.onnx": many}
    found = await inspect(tmp_path, {path: model.SerializeToString() for path, model in files.items()})
    by_path = {one.path: one for one in found.onnx}
    assert set(by_path) == set(files)
    assert (by_path["huge.onnx"].valid, by_path["huge.onnx"].parameter_count) == (False, None)
    assert by_path["wide.onnx"].inputs[0].shape is None
    assert len(found.model_dump_json()) < 500_000


async def test_what_was_found_before_a_file_that_hangs_is_kept(tmp_path: Path) -> None:
    files = {"a.onnx": EXAMPLE.read_bytes(), "b.pkl": HANGS, "c.pkl": b"cos\nsystem\n(S'true'\ntR."}
    found = await inspect(tmp_path, files, Inspector(max_file_bytes=2**30, timeout_s=6))
    assert [one.path for one in found.onnx] == ["a.onnx"]
    assert {one.path: one.reason for one in found.skipped} == dict.fromkeys(
        ("b.pkl", "c.pkl"), "looking into the model's files took longer than 6 s"
    )
    assert workers() == []


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the worker through /proc")
async def test_a_file_that_ends_its_worker_costs_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_SECRET_OF_TEST", "not for workers")
    files = {"b.pkl": HANGS, "a.onnx": EXAMPLE.read_bytes(), "c.pkl": pickle.dumps([1])}
    asked = asyncio.create_task(inspect(tmp_path, files))
    async with asyncio.timeout(60):
        while not (running := workers()):
            await asyncio.sleep(0.01)
    passed_on = Path(f"/proc/{running[0]}/environ").read_bytes()
    os.kill(running[0], signal.SIGKILL)
    found = await asked
    assert [(one.path, one.reason) for one in found.skipped] == [
        ("b.pkl", "the process that looked into it ended with -9")
    ]
    assert [one.valid for one in found.onnx] == [True]
    assert [one.severity for one in found.pickles] == ["safe"]
    assert b"PATH=" in passed_on
    assert b"not for workers" not in passed_on


def workers() -> list[int]:
    """The worker processes that this process has."""
    children, lines = [], {}
    for task in os.listdir("/proc/self/task"):
        with contextlib.suppress(FileNotFoundError):  # the thread has ended meanwhile
            children += Path(f"/proc/self/task/{task}/children").read_text().split()
    for pid in children:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            lines[int(pid)] = Path(f"/proc/{pid}/cmdline").read_bytes()
    return [pid for pid, line in lines.items() if b"shared.inspection.worker" in line]


async def test_a_worker_that_uses_up_its_processor_time_is_ended(tmp_path: Path) -> None:
    (tmp_path / "b.pkl").write_bytes(HANGS)
    found, left = ModelInspection(), {"b.pkl": "pickle"}
    why = await WorkerRun(str(tmp_path), memory_bytes=2**32, cpu_s=1).run(left, found)  # type: ignore[arg-type]
    assert why.startswith("the process that looked into it ended with -")
    assert left == {"b.pkl": "pickle"}


async def test_modules_in_a_model_are_not_imported(tmp_path: Path) -> None:
    mark = tmp_path / "it-was-run"
    names = ("onnx.py", "picklescan/__init__.py", "picklescan/scanner.py", "sitecustomize.py", "pickletools.py")
    shadows = dict.fromkeys((*names, "numpy/__init__.py"), f"open({str(mark)!r}, 'w')".encode())
    model = {"m.onnx": EXAMPLE.read_bytes(), "m.pkl": pickle.dumps([1]), "m.npy": numpy_like(pickle.dumps([1]))}
    found = await inspect(tmp_path / "store", shadows | model)
    assert (found.onnx[0].valid, {one.severity for one in found.pickles}) == (True, {"safe"})
    assert not mark.exists()


async def test_a_name_that_is_a_file_and_a_folder_is_said(tmp_path: Path) -> None:
    found = await inspect(tmp_path, {"a": b"x", "a/m.onnx": EXAMPLE.read_bytes(), "b.onnx": EXAMPLE.read_bytes()})
    assert [one.path for one in found.onnx] == ["b.onnx"]
    assert [one.path for one in found.skipped] == ["a/m.onnx"]


@pytest.mark.parametrize(
    "signature",
    [
        "{inputs: '" + "[" * 100_000 + "'}",
        "{inputs: '" + "[" * 500 + "]" * 500 + "'}",
        "{inputs: '[NaN]'}",
        "{params: '[" + "9" * 4000 + "]'}",
        "{outputs: '[\"\\ud800\"]'}",
        "[1]",
    ],
)
def test_a_signature_that_could_not_be_stored_is_refused(signature: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_mlmodel(f"flavors: {{sklearn: {{}}}}\nsignature: {signature}", "MLmodel")
    assert refused.value.faults[0].line == 2


async def test_an_mlmodel_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    found = await inspect(tmp_path, {"MLmodel": b"flavors: [", "m/model.bin": b"\0"})
    assert found.mlflow is None
    assert [one.path for one in found.skipped] == ["MLmodel"]


MLFLOW_1 = """
artifact_path: model
flavors:
  python_function: {env: conda.yaml, loader_module: mlflow.sklearn, model_path: model.pkl, python_version: 3.7.9}
  sklearn: {pickled_model: model.pkl, serialization_format: cloudpickle, sklearn_version: 0.24.1}
run_id: 1f2e3d4c5b6a79881f2e3d4c5b6a7988
utc_time_created: '2021-03-01 10:11:12.131415'
"""
MLFLOW_3 = SKLEARN + (
    "model_id: m-0123456789abcdef0123456789abcdef\nprompts: null\nis_signature_from_type_hint: false\n"
    "type_hint_from_example: false\n"
    "saved_input_example_info: {artifact_path: input_example.json, type: dataframe, pandas_orient: split}\n"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (MLFLOW_1, {"signature": None, "mlflow_version": None, "artifact_path": "model", "model_id": None}),
        (SKLEARN, {"mlflow_version": "2.17.0", "artifact_path": "model", "saved_input_example_info": None}),
        (MLFLOW_3, {"model_id": "m-0123456789abcdef0123456789abcdef"}),
    ],
)
def test_mlmodel_files_of_mlflow_1_2_and_3(text: str, expected: dict[str, Any]) -> None:
    found = read_mlmodel(text, "MLmodel").model_dump()
    assert {name: found[name] for name in expected} == expected
    assert set(found["flavors"]) == {"python_function", "sklearn"}


def test_the_worker_starts_without_what_it_does_not_need() -> None:
    import subprocess

    code = "import sys, shared.inspection.worker, shared.inspection.pickle_scan; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not {"onnx", "numpy", "pydantic", "yaml", "asyncio", "picklescan"} & set(loaded)
