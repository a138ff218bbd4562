"""Bringing the files of a data asset from where its declaration says they are."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from shared.controllers.outcome import Deps
from shared.datasets.layout import data_type
from shared.datastore_settings import load_datastores
from shared.errors import Invalid, TooLarge
from shared.paths import is_run_uri
from shared.registry.adoption import check_age
from shared.registry.completion import MAX_FILES
from shared.registry.run_uris import run_path
from shared.resources.data_profile import FetchedData
from shared.resources.declared import DeclaredSpec
from shared.resources.model import ModelFile
from shared.sources.uris import without_query

FILE = "uri_file"
_TO_DO = (
    "register a part or a sample of them, which is enough for a baseline; or raise SLIPWAY_DATA_SOURCE_MAX_BYTES where "
    "Slipway may hold a copy"
)


async def fetched(spec: DeclaredSpec, deps: Deps) -> FetchedData:
    """The files that the declaration's path names elsewhere, stored here; hidden ones are left out. Raises what the
    source raises: Invalid for a place that is not allowed, NotFound, TooLarge, Conflict when one changed, Retryable."""
    uri, begun = str(spec.declaration["path"]), deps.clock.now()
    if is_run_uri(uri):
        files = _below(uri, (await deps.runs.files_of(uri)).files)
    else:
        files = await _copied(_as_listed(uri, spec, deps), deps)
    if data_type(spec) == FILE and len(files) != 1:
        raise Invalid(f"{without_query(uri)} has {len(files)} files", remedy=f"say type: uri_folder instead of {FILE}")
    check_age(begun, deps.clock.now(), deps.settings.artifact_retention_s)
    return FetchedData(origin=without_query(uri), files=files, at=deps.clock.now())


async def _copied(uri: str, deps: Deps) -> list[ModelFile]:
    from shared.sources.fetch import fetch

    try:
        source = deps.open_source(uri, deps.settings.data_source_max_bytes)
        found = await fetch(uri, source, deps.artifacts, max_files=MAX_FILES, wanted=_is_shown)
    except TooLarge as error:
        raise TooLarge(error.message, remedy=_TO_DO) from error
    return list(found.files)


def _below(uri: str, files: Sequence[ModelFile]) -> list[ModelFile]:
    """Files of a run, by their paths below the folder that is named."""
    prefix = run_path(uri).path.rpartition("/")[2] + "/"
    return [one.model_copy(update={"path": one.path.removeprefix(prefix)}) for one in files]


def _as_listed(uri: str, spec: DeclaredSpec, deps: Deps) -> str:
    """The URI as its source lists it: a folder of a bucket ends with a slash. Raises Invalid for a folder of a web
    server, which has no list of it."""
    from shared.sources.blob_places import blob_place

    if data_type(spec) == FILE:
        return uri
    scheme = urlsplit(uri).scheme
    if scheme == "s3" and "?" not in uri and not uri.endswith("/"):
        return f"{uri}/"
    if scheme in ("https", "http") and blob_place(uri, load_datastores(deps.settings.datastores)) is None:
        raise Invalid(
            f"{without_query(uri)}: a folder of a web server cannot be listed",
            remedy="name a file, with type: uri_file; or add the container to SLIPWAY_DATASTORES",
        )
    return uri


def _is_shown(path: str) -> bool:
    return not any(part.startswith(".") for part in path.split("/"))
