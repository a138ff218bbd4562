"""Which files of a model are looked into, and as what: by their first bytes, and by their names."""

from __future__ import annotations

from typing import Literal

Kind = Literal["onnx", "pickle"]
SNIFFED_BYTES = 16
ONNX_SUFFIXES = (".onnx",)
# Names under which pickles are usual, or files that hold them.
PICKLE_SUFFIXES = (
    *(".pkl", ".pickle", ".joblib", ".pt", ".pth", ".bin", ".ckpt", ".npy", ".npz", ".dat", ".data", ".dill"),
    *(".cloudpickle", ".p", ".model", ".sav", ".keras"),
)
_ZIP = b"PK\x03\x04"
_PICKLE = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))
_NUMPY = b"\x93NUMPY"


def kind_of(path: str, first: bytes) -> Kind | None:
    """As what the file is looked into, None when it is neither. `first`: its first SNIFFED_BYTES."""
    name = path.rpartition("/")[2].lower()
    if name.endswith(ONNX_SUFFIXES):
        return "onnx"
    if name.endswith(PICKLE_SUFFIXES) or first.startswith((_ZIP, _NUMPY, *_PICKLE)):
        return "pickle"
    return None
