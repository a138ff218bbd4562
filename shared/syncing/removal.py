"""What files declared that are gone: archived or deleted, unless something uses it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal

from shared.errors import DeletionRequired, Fault
from shared.ports import ANY_KIND, ResourceQuery, ResourceStore
from shared.resources.base import Cause, Resource, ResourceKey
from shared.resources.declared import ASSET_KINDS, DECLARED_KINDS, VERSIONED_KINDS
from shared.resources.model import KIND as MODEL
from shared.resources.search import ACTIVE, property_term, reference_term
from shared.resources.sync import BRANCH, SOURCE, SOURCE_FILE, SOURCE_LINE, FileOutcome, FileResult, Provenance
from shared.syncing.assets import archive_version, delete_version
from shared.syncing.mutable import delete_mutable
from shared.syncing.tree import SourceTree
from shared.syncing.world import World

Identity = tuple[str | None, str | None, str | None]  # kind, name, version

PAGE = 500
SHOWN_USERS = 5
# What uses others goes first.
_ORDER = (
    "model-package",
    "monitor",
    "schedule",
    "job",
    "online-deployment",
    "batch-deployment",
    "online-endpoint",
    "batch-endpoint",
    "model",
    "component",
    "data",
    "environment",
)


async def remove_gone(
    tree: SourceTree,
    declared: Collection[Identity],
    provenance: Provenance,
    world: World,
    cause: Cause,
    *,
    dry_run: bool,
) -> list[FileOutcome]:
    """Remove what this source declared by files that are not in the tree any more and that no other file declares now
    (`declared`; version None: all versions). Assets are archived, all else is deleted; what is in use stays, and is
    told as refused."""
    kept = set(declared)
    gone = [
        resource
        for resource in await _of_source(world.store, provenance.source)
        if _is_gone(resource, tree, provenance)
        and not {(resource.kind, resource.name, version) for version in (resource.version, None)} & kept
    ]
    gone.sort(key=lambda one: (_ORDER.index(one.kind), str(one.key)))
    leaving: set[ResourceKey] = set()
    outcomes = []
    for resource in gone:
        outcome = await _remove(resource, provenance, world, cause, leaving, dry_run=dry_run)
        outcomes.append(outcome)
    return outcomes


async def delete_declared(key: ResourceKey, world: World, cause: Cause) -> None:
    """Delete a declared resource, or a version of an asset. Raises DeletionRequired with all who use it."""
    await refuse_if_used(key, world.store)
    if key.kind == MODEL:
        await world.lifecycle.delete(key.name, str(key.version), cause)
    elif key.kind in ASSET_KINDS:
        await delete_version(key, world, cause)
    else:
        await delete_mutable(key, world, cause)


async def refuse_if_used(key: ResourceKey, store: ResourceStore, without: Iterable[ResourceKey] = ()) -> None:
    """Raises DeletionRequired when another resource refers to it."""
    query = ResourceQuery(ANY_KIND, terms=(reference_term(str(key)),), limit=PAGE)
    found = [one.key for one in (await store.list_resources(query)).items]
    users = [str(one) for one in found if one not in set(without)]
    if users:
        more = f" and {len(users) - SHOWN_USERS} more" if len(users) > SHOWN_USERS else ""
        raise DeletionRequired(
            f"{key} is in use by {', '.join(users[:SHOWN_USERS])}{more}",
            faults=tuple(Fault(f"{user} uses it") for user in users),
            remedy="delete its users, or let them use something else, first",
        )


async def _of_source(store: ResourceStore, source: str) -> list[Resource]:
    """Everything that files of this source declared and that is neither archived nor a head."""
    found: list[Resource] = []
    for kind in (*DECLARED_KINDS, MODEL):
        listing: Literal["heads", "versions"] = "versions" if kind in VERSIONED_KINDS else "heads"
        after: str | None = None
        while True:
            terms = (property_term(SOURCE, source), ACTIVE)
            page = await store.list_resources(
                ResourceQuery(kind, versions=listing, terms=terms, limit=PAGE, after=after)
            )
            found += page.items
            after = page.continuation
            if after is None:
                break
    return found


def _is_gone(resource: Resource, tree: SourceTree, provenance: Provenance) -> bool:
    """Whether the file that declared it was in the folder and on the branch that are applied, and is not there now."""
    file = resource.properties.get(SOURCE_FILE, "")
    folder = f"{provenance.folder}/" if provenance.folder else ""
    if not file.startswith(folder) or resource.properties.get(BRANCH) != provenance.branch:
        return False
    path = file.removeprefix(folder)
    return path not in tree.files and path not in tree.large and path not in tree.skipped


async def _remove(
    resource: Resource,
    provenance: Provenance,
    world: World,
    cause: Cause,
    leaving: set[ResourceKey],
    *,
    dry_run: bool,
) -> FileOutcome:
    key = resource.key
    folder = f"{provenance.folder}/" if provenance.folder else ""
    base = FileOutcome(
        path=resource.properties.get(SOURCE_FILE, "").removeprefix(folder),
        line=int(resource.properties.get(SOURCE_LINE) or 1),
        kind=key.kind,
        name=key.name,
        version=key.version,
        result=FileResult.ARCHIVED if key.kind in VERSIONED_KINDS else FileResult.REMOVED,
        reason="its file is gone",
    )
    try:
        await refuse_if_used(key, world.store, leaving)
        if not dry_run:
            await _take_away(key, world, cause)
    except DeletionRequired as error:
        faults = [fault.as_dict() for fault in error.faults]
        reason = f"its file is gone, but {error.message}"
        return base.model_copy(update={"result": FileResult.REFUSED, "reason": reason, "faults": faults})
    leaving.add(key)
    return base


async def _take_away(key: ResourceKey, world: World, cause: Cause) -> None:
    if key.kind == MODEL:
        await world.lifecycle.set_archived(key.name, str(key.version), True, cause)
    elif key.kind in ASSET_KINDS:
        await archive_version(key, world, cause)
    else:
        await delete_mutable(key, world, cause)
