"""Where fuzzing begins: a few inputs of every form for each target."""

from __future__ import annotations

import json
import struct
from pathlib import Path

_BODIES = (
    [[1, 2.5, 3]],
    {"data": [[1, 2, 3], [4, 5, 6]]},
    {"input_data": {"columns": ["age", "income", "score"], "index": [0], "data": [[1, 2, 3]]}},
    {"dataframe_records": [{"score": 1, "age": 2, "income": 3e38}]},
    {"inputs": {"age": [1.5], "visits": [2], "city": ["x"], "member": [True]}},
    {"Inputs": {"input1": [{"a": "b", "b": "c"}]}, "GlobalParameters": {}},
    {"pixels": [[[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [10, 11, 255]]]]},
    {"instances": [[18446744073709551615, 0]], "params": {}},
    {"x": 5},
    [["a", "\ud83d\ude00"]],
)
_PANDAS = (
    {"columns": ["age", "income", "score"], "data": [[1, 2, 3]]},
    {"columns": [0, 1, 2], "index": [0], "data": [[1, 2, None]]},
    [{"age": 1, "visits": 2, "city": "x", "member": False}],
    [[1.5, -2, 1e39]],
)
_CSV = ("age,income,score\n1,2,3\n", 'a,b\n"x,1","y""z"\r\n', "1,2,nan\n", "\ufeffage,visits,city,member\n1,2,x,true\n")
_QUERIES = ("data=[[1,2,3]]", "x=1&x=2", "inputs={%22x%22:[1]}&id=a", "age=1&visits=2&city=%C3%A9&member=true")


def _tensor(shape: list[int], datatype: str, **more: object) -> dict[str, object]:
    return {"name": "x", "shape": shape, "datatype": datatype, **more}


_OIP: tuple[dict[str, object], ...] = (
    {"id": "a", "inputs": [_tensor([1, 3], "FP32", data=[1, 2, 3])], "outputs": [{"name": "y"}]},
    {"inputs": [_tensor([2, 2], "UINT64", data=[[1, 2], [3, 4]])], "parameters": {"binary_data_output": True}},
    {"inputs": [_tensor([1, 2], "BYTES", data=["a", "b"])]},
    {"inputs": [_tensor([], "INT64", data=[7])]},
)
_BINARY: tuple[tuple[dict[str, object], bytes], ...] = (
    ({"inputs": [_tensor([1, 3], "FP32", parameters={"binary_data_size": 12})]}, struct.pack("<3f", 1, 2, 3)),
    ({"inputs": [_tensor([1, 2], "BYTES", parameters={"binary_data_size": 10})]}, b"\x01\0\0\0a\x01\0\0\0b"),
    ({"inputs": [_tensor([1, 2], "FP16", parameters={"binary_data_size": 4})]}, b"\0\x3c\0\x7c"),
)
_HTTP = (
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /score?x=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.0\r\n\r\n",
    b"POST /score HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: x\r\n\r\n"
    b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5000\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nx",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
)


def seeds(target: str) -> list[bytes]:
    """The inputs of a target, each for every model."""
    if target == "http_front":
        return [bytes([size]) + each for each in _HTTP for size in (0, 6)]
    if target == "oip_binary":
        heads = [(json.dumps(head).encode(), tail) for head, tail in _BINARY]
        made = [len(head).to_bytes(2, "big") + head + tail for head, tail in heads]
    else:
        texts = {"csv_bodies": _CSV, "queries": _QUERIES}.get(target)
        documents = {"json_tensors": _BODIES, "pandas_forms": _PANDAS, "oip_json": _OIP}.get(target, ())
        made = [text.encode() for text in texts] if texts else [json.dumps(each).encode() for each in documents]
    return [bytes([model]) + each for each in made for model in range(7)]


def write(target: str, folder: Path) -> None:
    """The seeds as files, as libFuzzer takes them."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, each in enumerate(seeds(target)):
        (folder / f"seed-{index:03d}").write_bytes(each)
