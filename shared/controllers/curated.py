"""Curated environments, declared when something needs one first."""

from __future__ import annotations

from shared.controllers.outcome import Deps
from shared.environments.curated_text import curated_text
from shared.errors import Invalid
from shared.resources.base import Cause
from shared.resources.sync import FileResult, Provenance
from shared.syncing.apply import apply_tree
from shared.syncing.tree import SourceTree


async def curated_environment(name: str, deps: Deps, cause: Cause) -> str:
    """NAME:VERSION of the curated environment. Raises NotFound with those that ship, Invalid when it is refused."""
    tree = SourceTree({"environment.yml": curated_text(name).encode()})
    (outcome,) = await apply_tree(tree, None, Provenance(source="slipway"), deps, cause)
    if outcome.result == FileResult.REFUSED:
        raise Invalid(f"{name} was refused: {outcome.reason}")
    return f"{outcome.name}:{outcome.version}"
