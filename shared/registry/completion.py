"""What a model's files say of it before it is registered: an archive is unpacked, MLflow's MLmodel is read."""

from __future__ import annotations

from collections.abc import Sequence

from shared.errors import Fault, Invalid
from shared.paths import is_remote
from shared.ports import ArtifactStore
from shared.resources.model import ModelDeclaration, ModelFile, ModelType

ARCHIVE_SUFFIXES = (".zip", ".tar.gz", ".tgz", ".tar")
MAX_FILES = 2000  # Azure ML's limit of a snapshot
MAX_MLMODEL_BYTES = 1024 * 1024


def wants_unpacking(declaration: ModelDeclaration) -> bool:
    """Whether `path` is an archive to unpack: when the declaration says so, or for a type that is always a folder."""
    if declaration.unpack is not None:
        return declaration.unpack
    is_folder = declaration.type in (ModelType.MLFLOW, ModelType.TRITON)
    return is_folder and declaration.path.partition("?")[0].lower().endswith(ARCHIVE_SUFFIXES)


async def completed_by_files(
    declaration: ModelDeclaration, files: Sequence[ModelFile], artifacts: ArtifactStore, *, max_bytes: int
) -> tuple[ModelDeclaration, list[ModelFile]]:
    """The declaration and the files as they are registered: an archive unpacked, MLflow's flavors and run read from
    MLmodel. Raises Invalid for an archive or an MLmodel that is not accepted, and for a section that names a file that
    is not there."""
    kept, path = list(files), declaration.path
    if wants_unpacking(declaration):
        kept, path = await _unpacked(declaration, files, artifacts, max_bytes), "."
    elif is_remote(declaration.path):
        path = kept[0].path if len(kept) == 1 else "."
    completed = declaration.model_copy(update={"path": path})
    mlmodel = next((file for file in kept if file.path.rpartition("/")[2] == "MLmodel"), None)
    _check_named(declaration, kept)
    if mlmodel is None:
        if declaration.type == ModelType.MLFLOW:
            fault = Fault("there is no file MLmodel", "/type", allowed="a folder that MLflow wrote")
            raise Invalid("the files are not an MLflow model", faults=(fault,))
        return completed, kept
    return await _with_mlmodel(completed, mlmodel, artifacts), kept


def _check_named(declaration: ModelDeclaration, files: Sequence[ModelFile]) -> None:
    """What `optimize:` and `profile:` name must be files of the model."""
    paths, faults = {file.path for file in files}, []
    named = {
        f"/{name}/{key}": getattr(section, key)
        for name, section in (("optimize", declaration.optimize), ("profile", declaration.profile))
        for key in ("sample", "entry_script")
        if section is not None and getattr(section, key, None)
    }
    for name, section in (("optimize", declaration.optimize), ("profile", declaration.profile)):
        if section is not None and section.sample is None:
            named[f"/{name}/sample"] = declaration.sample_input or ""
    for pointer, path in named.items():
        if path not in paths:
            what = f"{path!r} is no file of the model" if path else "there is none, and no `sample_input`"
            faults.append(Fault(what, pointer, allowed="the path of one of its files"))
    if faults:
        raise Invalid("the model names files that it does not have", faults=tuple(faults))


async def _unpacked(
    declaration: ModelDeclaration, files: Sequence[ModelFile], artifacts: ArtifactStore, max_bytes: int
) -> list[ModelFile]:
    from shared.sources.archives import ArchiveLimits, unpack

    if len(files) != 1:
        fault = Fault(f"{declaration.path!r} is not one file", "/unpack", allowed=", ".join(ARCHIVE_SUFFIXES))
        raise Invalid("only an archive can be unpacked", faults=(fault,))
    limits = ArchiveLimits(max_files=MAX_FILES, max_bytes=max_bytes)
    return list(await unpack(files[0], artifacts, limits=limits))


async def _with_mlmodel(declaration: ModelDeclaration, file: ModelFile, artifacts: ArtifactStore) -> ModelDeclaration:
    from shared.inspection.mlmodel import read_mlmodel

    if file.size_bytes > MAX_MLMODEL_BYTES:
        raise Invalid(f"{file.path} has {file.size_bytes} bytes, at most {MAX_MLMODEL_BYTES} are read")
    content = b"".join([chunk async for chunk in artifacts.read(file.sha256)])
    found = read_mlmodel(content.decode(errors="replace"), file.path)
    said = {"flavors": found.flavors, "run_id": found.run_id}
    return declaration.model_copy(
        update={name: value for name, value in said.items() if value and getattr(declaration, name) is None}
    )
