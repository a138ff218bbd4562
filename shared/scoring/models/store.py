"""Which models a folder holds, and loading them."""

from __future__ import annotations

from pathlib import Path

from shared.scoring.errors import NotFound, StartError
from shared.scoring.models.onnx_model import OnnxModel

LAYOUT = "azureml-models"  # Azure ML's folder of models: azureml-models/NAME/VERSION


def find(path: Path) -> list[tuple[str, str, Path]]:
    """Name, version and file of every model: of the file itself, of the only .onnx file in a folder, or of Azure ML's
    layout of several models, `NAME/VERSION/...`. Raises StartError when there is none, or a version has several."""
    if path.is_file():
        return [(path.parent.name if path.stem == "model" else path.stem, "1", path.resolve())]
    if not path.is_dir():
        raise StartError(f"{path} is no file and no folder")
    files = sorted(path.rglob("*.onnx"))
    if not files:
        raise StartError(f"{path} holds no .onnx file")
    if len(files) == 1:
        return [(*_named(path.resolve(), files[0].relative_to(path).parts), files[0])]
    found: dict[tuple[str, str], Path] = {}
    for file in files:
        parts = file.relative_to(path).parts
        if len(parts) < 3:
            raise StartError(f"{path} holds {len(files)} .onnx files; several models lie in NAME/VERSION/FILE.onnx")
        if (parts[0], parts[1]) in found:
            raise StartError(f"{'/'.join(parts[:2])} holds several .onnx files")
        found[parts[0], parts[1]] = file
    return [(name, version, file) for (name, version), file in found.items()]


def _named(folder: Path, parts: tuple[str, ...]) -> tuple[str, str]:
    """Name and version of the only model of a folder: as in Azure ML's layout, where the folder is in one."""
    if folder.parents and folder.parent.parent.name == LAYOUT:
        return folder.parent.name, folder.name
    return (parts[0], parts[1]) if len(parts) > 2 else (folder.name, "1")


class ModelStore:
    """Loaded models by name and version; the highest version of a name is the one without a version."""

    def __init__(self, models: list[OnnxModel]) -> None:
        self._by_name: dict[str, dict[str, OnnxModel]] = {}
        for model in models:
            self._by_name.setdefault(model.name, {})[model.version] = model

    @classmethod
    def load(cls, path: Path, threads: int) -> ModelStore:
        """All models of a file or folder. Raises StartError."""
        return cls([OnnxModel(name, version, file, threads) for name, version, file in find(path)])

    @property
    def all(self) -> list[OnnxModel]:
        """Every version of every model."""
        return [model for versions in self._by_name.values() for model in versions.values()]

    @property
    def only(self) -> OnnxModel | None:
        """The model of a service that has one name, in its highest version; else None."""
        return self.get(next(iter(self._by_name))) if len(self._by_name) == 1 else None

    def versions(self, name: str) -> list[str]:
        """The versions of a name, oldest first. Raises NotFound with the known names."""
        if name not in self._by_name:
            raise NotFound(f"no model {name!r}; there are: {', '.join(sorted(self._by_name))}")
        return sorted(self._by_name[name], key=_age)

    def get(self, name: str, version: str = "") -> OnnxModel:
        """One version, "" the highest. Raises NotFound with those that are known."""
        versions = self.versions(name)
        if version and version not in versions:
            raise NotFound(f"no version {version!r} of {name}; there are: {', '.join(versions)}")
        return self._by_name[name][version or versions[-1]]


def _age(version: str) -> tuple[int, str]:
    return (int(version), "") if version.isdecimal() else (-1, version)
