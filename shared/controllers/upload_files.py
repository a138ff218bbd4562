"""What happens to a model's files between their arrival and the registration: brought, unpacked, looked at by name."""

from __future__ import annotations

from collections.abc import Sequence

from shared.controllers.outcome import Deps
from shared.controllers.upload_decision import ARCHIVE_SUFFIXES, MAX_FILES, wants_unpacking
from shared.errors import Fault, Invalid
from shared.paths import is_remote, is_run_uri
from shared.registry.runs import made_by
from shared.resources.model import ModelDeclaration, ModelFile, ModelType, Origin
from shared.sources.uris import without_query

MAX_MLMODEL_BYTES = 1024 * 1024


async def fetched(declaration: ModelDeclaration, deps: Deps) -> tuple[ModelDeclaration, list[ModelFile], Origin]:
    """The files that the declaration's path names elsewhere, stored here; where they came from; and the declaration
    with what is known from there. Raises what the source raises: Invalid for a place that is not allowed, NotFound,
    TooLarge, Retryable."""
    from shared.sources.fetch import fetch

    uri = declaration.path
    if is_run_uri(uri):
        found_in = await deps.runs.files_of(uri)
        return made_by(declaration, found_in), list(found_in.files), found_in.origin
    found = await fetch(uri, deps.open_source(uri), deps.artifacts, max_files=MAX_FILES)
    pins = sorted({version for version in found.versions.values() if version})
    pinned = f"#{pins[0]}" if len(pins) == 1 else ""
    return (
        declaration,
        list(found.files),
        Origin(system=uri.partition(":")[0], id=f"{without_query(uri)}{pinned}"[:2048]),
    )


async def completed_by_files(
    declaration: ModelDeclaration, files: Sequence[ModelFile], deps: Deps
) -> tuple[ModelDeclaration, list[ModelFile]]:
    """The declaration and the files as they are registered: an archive unpacked, MLflow's flavors and run read from
    MLmodel. Raises Invalid for an archive or an MLmodel that is not accepted."""
    kept, path = list(files), declaration.path
    if wants_unpacking(declaration):
        kept, path = await _unpacked(declaration, files, deps), "."
    elif is_remote(declaration.path):
        path = kept[0].path if len(kept) == 1 else "."
    completed = declaration.model_copy(update={"path": path})
    mlmodel = next((file for file in kept if file.path.rpartition("/")[2] == "MLmodel"), None)
    if mlmodel is None:
        if declaration.type == ModelType.MLFLOW:
            fault = Fault("there is no file MLmodel", "/type", allowed="a folder that MLflow wrote")
            raise Invalid("the files are not an MLflow model", faults=(fault,))
        return completed, kept
    return await _with_mlmodel(completed, mlmodel, deps), kept


async def _unpacked(declaration: ModelDeclaration, files: Sequence[ModelFile], deps: Deps) -> list[ModelFile]:
    from shared.sources.archives import ArchiveLimits, unpack

    if len(files) != 1:
        fault = Fault(f"{declaration.path!r} is not one file", "/unpack", allowed=", ".join(ARCHIVE_SUFFIXES))
        raise Invalid("only an archive can be unpacked", faults=(fault,))
    limits = ArchiveLimits(max_files=MAX_FILES, max_bytes=deps.settings.model_source_max_bytes)
    return list(await unpack(files[0], deps.artifacts, limits=limits))


async def _with_mlmodel(declaration: ModelDeclaration, file: ModelFile, deps: Deps) -> ModelDeclaration:
    from shared.inspection.mlmodel import read_mlmodel

    if file.size_bytes > MAX_MLMODEL_BYTES:
        raise Invalid(f"{file.path} has {file.size_bytes} bytes, at most {MAX_MLMODEL_BYTES} are read")
    content = b"".join([chunk async for chunk in deps.artifacts.read(file.sha256)])
    found = read_mlmodel(content.decode(errors="replace"), file.path)
    said = {"flavors": found.flavors, "run_id": found.run_id}
    return declaration.model_copy(
        update={name: value for name, value in said.items() if value and getattr(declaration, name) is None}
    )
