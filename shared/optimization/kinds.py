"""The kinds of models that can be optimised: their files, what their environment holds, their worker."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.errors import Invalid

ONNX_TOOLS = ("onnx", "onnxruntime", "numpy")
SKLEARN_TOOLS = ("scikit-learn", "skl2onnx", "pandas", *ONNX_TOOLS)
PICKLES = (".pkl", ".pickle", ".joblib")
MAX_LOOKED_BYTES = 64 * 2**20  # of a pickle, for the name of its framework
_SKLEARN_VERSION = re.compile(rb"_sklearn_version\x94?\x8c.([0-9]+(?:\.[0-9]+)+)")  # BINUNICODE's short form


@dataclass(frozen=True, slots=True)
class SourceKind:
    """A kind of model."""

    name: str
    title: str
    suffixes: tuple[str, ...]  # of its own file formats, lower case
    framework: str  # the package whose version must be the model's own; "" where files do not depend on it
    requirements: tuple[str, ...]  # what the environment holds, as a declaration's `pip`; Slipway locks them
    module: str  # under workers/: opens and converts the model
    marks: tuple[bytes, ...] = ()  # in a pickle: the module that its classes come from
    memory_bytes: int = 4 * 2**30  # that a worker may take
    folder_mark: str = ""  # a file that makes a folder one of this kind

    def pip(self, framework_version: str | None = None) -> list[str]:
        """The requirements, with the framework's version that the model was made by, when it is known."""
        pinned = f"{self.framework}=={framework_version}" if framework_version and self.framework else ""
        return [pinned if pinned and one == self.framework else one for one in self.requirements]


_LARGE_BYTES = 12 * 2**30  # of address space, which these libraries reserve without using it

KINDS: dict[str, SourceKind] = {
    kind.name: kind
    for kind in (
        SourceKind(
            "xgboost", "XGBoost", (".ubj", ".bst", ".xgb"), "xgboost-cpu",
            ("xgboost-cpu", "onnxmltools", *SKLEARN_TOOLS), "from_xgboost", (b"xgboost.sklearn", b"xgboost.core"),
        ),
        SourceKind(
            "lightgbm", "LightGBM", (".lgb", ".txt"), "lightgbm", ("lightgbm", "onnxmltools", *SKLEARN_TOOLS),
            "from_lightgbm", (b"lightgbm.sklearn", b"lightgbm.basic"),
        ),
        SourceKind(
            "sklearn", "scikit-learn", (), "scikit-learn", SKLEARN_TOOLS, "from_sklearn", (b"sklearn.",),
        ),
        SourceKind(
            "pytorch", "PyTorch", (".pt", ".pth", ".pt2"), "torch", ("torch", "onnxscript", *ONNX_TOOLS), "from_torch",
            memory_bytes=_LARGE_BYTES,
        ),
        SourceKind(
            "tensorflow", "TensorFlow and Keras", (".keras", ".h5"), "tensorflow-cpu",
            ("tensorflow-cpu", "tf2onnx", *ONNX_TOOLS), "from_keras", memory_bytes=_LARGE_BYTES,
            folder_mark="saved_model.pb",
        ),
        SourceKind("onnx", "ONNX", (".onnx",), "", ONNX_TOOLS, "from_onnx"),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recognised:
    """A model that was found."""

    kind: SourceKind
    path: Path  # its file, or its folder where the kind has folders
    framework_version: str | None = None  # that the model was made by; None when its files do not say


def kind_named(name: str) -> SourceKind:
    """The kind of that name. Raises Invalid with the known ones."""
    try:
        return KINDS[name]
    except KeyError:
        known = ", ".join(sorted(KINDS))
        raise Invalid(f"there is no kind of model {name[:40]!r}", remedy=f"use one of: {known}") from None


def recognise(path: Path, name: str | None = None) -> Recognised:
    """The model in a file or folder, of the kind `name`, or of the one that its files tell. No file is loaded. Raises
    Invalid for an unknown kind, for files that tell none, and for a folder with more than one model."""
    if not path.exists():
        raise Invalid(f"there is no {path.name}", remedy="give the model's file or folder")
    kinds = [kind_named(name)] if name else list(KINDS.values())
    if name and path.is_file():  # who names the kind knows better than the file's suffix
        return _file(path, kinds[0], alone=True) or Recognised(kinds[0], path)
    found = [one for one in map(lambda each: _in(path, each), kinds) if one is not None]
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(f"{one.path.name} ({one.kind.name})" for one in found)
        raise Invalid(f"{path.name} has more than one model: {listed}", remedy="name the file, or the kind")
    known = "; ".join(f"{kind.name}: {', '.join((*kind.suffixes, *_also(kind)))}" for kind in KINDS.values())
    raise Invalid(f"{path.name} is no model of a known kind", remedy=f"name the kind by --kind; files are: {known}")


def _also(kind: SourceKind) -> Sequence[str]:
    return (*(PICKLES if kind.marks else ()), *((f"a folder with {kind.folder_mark}",) if kind.folder_mark else ()))


def _in(path: Path, kind: SourceKind) -> Recognised | None:
    if path.is_file():
        return _file(path, kind, alone=True)
    if kind.folder_mark and (path / kind.folder_mark).is_file():
        return Recognised(kind, path)
    files = sorted(one for one in path.rglob("*") if one.is_file() and not one.is_symlink())
    found = [one for one in (_file(file, kind, alone=False) for file in files) if one is not None]
    if len(found) > 1:
        listed = ", ".join(str(one.path.relative_to(path)) for one in found[:5])
        raise Invalid(f"{path.name} has more than one {kind.title} model: {listed}", remedy="name the file")
    return found[0] if found else None


def _file(path: Path, kind: SourceKind, *, alone: bool) -> Recognised | None:
    """The file as a model of this kind. A text is a model only when it is named: any folder may have a readme.txt."""
    suffix = path.suffix.lower()
    if suffix in kind.suffixes and (alone or suffix != ".txt"):
        return Recognised(kind, path)
    if suffix not in PICKLES or not kind.marks:
        return None
    with path.open("rb") as file:
        beginning = file.read(MAX_LOOKED_BYTES)
    if _framework_of(beginning) != kind.name:
        return None
    version = _SKLEARN_VERSION.search(beginning)
    return Recognised(kind, path, version[1].decode() if version and kind.name == "sklearn" else None)


def _framework_of(pickle: bytes) -> str:
    """A pipeline of scikit-learn's around a model of XGBoost's needs XGBoost, so KINDS has scikit-learn behind it. A
    compressed one tells nothing, and is taken for scikit-learn's, by which most are written."""
    found = (kind.name for kind in KINDS.values() if any(mark in pickle for mark in kind.marks))
    return next(found, "sklearn")
