"""Bringing a model's files from where its declaration says they are."""

from __future__ import annotations

from shared.controllers.outcome import Deps
from shared.errors import TooLarge
from shared.paths import is_run_uri
from shared.registry.completion import MAX_FILES
from shared.registry.runs import made_by
from shared.resources.model import ModelDeclaration, ModelFile, Origin
from shared.sources.uris import without_query


async def fetched(declaration: ModelDeclaration, deps: Deps) -> tuple[ModelDeclaration, list[ModelFile], Origin]:
    """The files that the declaration's path names elsewhere, stored here; where they came from; and the declaration
    with what is known from there. Raises what the source raises: Invalid for a place that is not allowed, NotFound,
    TooLarge, Retryable."""
    from shared.sources.fetch import fetch

    uri = declaration.path
    if is_run_uri(uri):
        found_in = await deps.runs.files_of(uri)
        return made_by(declaration, found_in), list(found_in.files), found_in.origin
    try:
        source = deps.open_source(uri, deps.settings.model_source_max_bytes)
        found = await fetch(uri, source, deps.artifacts, max_files=MAX_FILES)
    except TooLarge as error:
        raise TooLarge(error.message, remedy="raise SLIPWAY_MODEL_SOURCE_MAX_BYTES") from error
    pins = sorted({version for version in found.versions.values() if version})
    pinned = f"#{pins[0]}" if len(pins) == 1 else ""
    return (
        declaration,
        list(found.files),
        Origin(system=uri.partition(":")[0], id=f"{without_query(uri)}{pinned}"[:2048]),
    )
