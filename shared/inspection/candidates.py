"""Which files of a model are looked into, and as what: by their first bytes, and by their names."""

from __future__ import annotations

from typing import Literal

Kind = Literal["onnx", "pickle"]
SNIFFED_BYTES = 16
ONNX_SUFFIXES = (".onnx",)
# Names that promise a pickle, or an archive of pickles: one that cannot be read is said to be so.
CERTAIN_SUFFIXES = (
    *(".pkl", ".pickle", ".pk", ".pklz", ".p", ".joblib", ".dill", ".cloudpickle", ".sav"),
    *(".pt", ".pth", ".ckpt", ".npy", ".npz", ".nemo"),
)
# Names under which there may be one; raw weights and other data are usual too.
POSSIBLE_SUFFIXES = (".bin", ".dat", ".data", ".model", ".keras", ".tar")
COMPRESSION_SUFFIXES = (".gz", ".gzip", ".z", ".zlib", ".bz2", ".xz", ".lzma", ".lz4")
ZIP = (b"PK\x03\x04", b"PK\x05\x06")
PICKLE = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))
NUMPY = b"\x93NUMPY"
LZ4 = b"\x04\x22\x4d\x18"
SEVEN_ZIP = b"7z\xbc\xaf\x27\x1c"
COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ\x00": "xz"}
_MAGIC = (*ZIP, *PICKLE, NUMPY, LZ4, SEVEN_ZIP, *COMPRESSED)


def kind_of(path: str, first: bytes) -> Kind | None:
    """As what the file is looked into, None when it is neither. `first`: its first SNIFFED_BYTES."""
    name = path.rpartition("/")[2].lower()
    if name.endswith(ONNX_SUFFIXES):
        return "onnx"
    if is_certain(path) or name.endswith((*POSSIBLE_SUFFIXES, ".z", ".zlib", ".lzma")) or first.startswith(_MAGIC):
        return "pickle"
    return None


def is_certain(path: str) -> bool:
    """Whether the name promises a pickle, compressed or not: `model.pkl`, `model.joblib.gz`."""
    name = path.lower()
    for suffix in COMPRESSION_SUFFIXES:
        name = name.removesuffix(suffix)
    return name.endswith(CERTAIN_SUFFIXES)
