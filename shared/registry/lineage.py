"""The lineage of a model version: breadth first up to what it came from, and down to what came from it.

Siblings are not part of it: from what it came from the search goes only further up, from what came from it only down.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from shared.ports import ANY_KIND, ResourceQuery, ResourceStore
from shared.registry.keys import tombstone_key, version_key
from shared.registry.lineage_links import Link, upstream
from shared.resources import model, run
from shared.resources.base import Resource, ResourceKey, is_valid_name
from shared.resources.lineage import DEFAULT_DEPTH, MAX_NODES, Lineage, LineageEdge, LineageNode, NodeState, Relation
from shared.resources.model import ModelSpec
from shared.resources.run import RunSpec
from shared.resources.search import reference_term

PAGE = 100
LABEL = "label"


async def lineage(store: ResourceStore, name: str, version: str, *, depth: int = DEFAULT_DEPTH) -> Lineage:
    """The graph around model NAME:VERSION; of a version that is not there, what refers to it. `truncated` when it has
    more than MAX_NODES nodes or goes on beyond `depth`."""
    graph = _Graph(store)
    root = str(version_key(name, version))
    await graph.add(root, f"{name}:{version}")
    for step in (graph.step_up, graph.step_down):
        await _grow(root, step, depth)
    return Lineage(
        root=root,
        depth=depth,
        truncated=graph.truncated,
        nodes=list(graph.nodes.values()),
        edges=graph.edges(),
    )


async def _grow(root: str, step: Callable[[str, bool], Awaitable[list[str]]], depth: int) -> None:
    """Level by level, so that what is nearest is kept when there is too much; each node once, so that a cycle ends."""
    level, seen = [root], {root}
    for distance in range(depth + 1):
        reached: list[str] = []
        for id_ in level:
            reached += await step(id_, distance < depth)
        level = [id_ for id_ in dict.fromkeys(reached) if id_ not in seen]
        seen |= set(level)


@dataclass(slots=True)
class _Graph:
    """The graph as far as it is known."""

    store: ResourceStore
    nodes: dict[str, LineageNode] = field(default_factory=dict)
    resources: dict[str, Resource] = field(default_factory=dict)  # those of the nodes that are there
    truncated: bool = False

    async def step_up(self, id_: str, grows: bool) -> list[str]:
        """What the thing came from: the ids of those that are in the graph then."""
        resource = self.resources.get(id_)
        links = upstream(resource) if resource else ()
        return [link.id for link in links if await self._reach(link.id, link.label, link.facts, grows=grows)]

    async def step_down(self, id_: str, grows: bool) -> list[str]:
        """What came from the thing, likewise."""
        reached = []
        for link in _labels_of(self.resources.get(id_)):
            await self._reach(link.id, link.label, link.facts, grows=grows)
        for user in await self._referrers(id_) if id_.startswith(f"{model.KIND}/") else ():
            name = str(user.key).partition("/")[2]
            if await self._reach(str(user.key), name, {}, grows=grows, found=user):
                reached.append(str(user.key))
        return reached

    async def _referrers(self, id_: str) -> list[Resource]:
        """What refers to it; not all when there are more than there is room for."""
        found: list[Resource] = []
        query = ResourceQuery(ANY_KIND, terms=(reference_term(id_),), limit=PAGE)
        while len(found) <= MAX_NODES:
            page = await self.store.list_resources(query)
            found += page.items
            if page.continuation is None:
                break
            query = ResourceQuery(ANY_KIND, terms=query.terms, limit=PAGE, after=page.continuation)
        return found

    async def _reach(
        self, id_: str, label: str, facts: dict[str, str], *, grows: bool, found: Resource | None = None
    ) -> bool:
        """Whether the thing is in the graph, now or already."""
        if id_ in self.nodes:
            return True
        if not grows or len(self.nodes) >= MAX_NODES:
            self.truncated = True
            return False
        await self.add(id_, label, facts, found)
        return True

    async def add(
        self, id_: str, label: str, facts: dict[str, str] | None = None, found: Resource | None = None
    ) -> None:
        """Add the thing, with what is known of it here."""
        kind, _, name = id_.partition("/")
        key = _key(kind, name)
        found = found or (await self.store.read(key) if key else None)
        if found is not None:
            self.resources[id_] = found
        state = NodeState.REGISTERED if found or kind == LABEL else await self._absent(key)
        known = {**(facts or {}), **(_facts(found) if found else {})}
        self.nodes[id_] = LineageNode(id=id_, kind=kind, label=label, state=state, facts=known)

    async def _absent(self, key: ResourceKey | None) -> NodeState:
        """Whether what is not there was there once: only models leave a tombstone."""
        if key is None or key.kind != model.KIND or key.version is None:
            return NodeState.EXTERNAL
        deleted = await self.store.read(tombstone_key(key.name, key.version))
        return NodeState.DELETED if deleted else NodeState.EXTERNAL

    def edges(self) -> list[LineageEdge]:
        """Between all that is in the graph, whichever way it was found."""
        return [
            LineageEdge(source=source, target=target, relation=relation)
            for id_, resource in self.resources.items()
            for source, relation, target in (
                *((id_, link.relation, link.id) for link in upstream(resource)),
                *((link.id, link.relation, id_) for link in _labels_of(resource)),
            )
            if source in self.nodes and target in self.nodes
        ]


def _key(kind: str, name: str) -> ResourceKey | None:
    """The key of what may be in the store; None for what cannot be: a URL, a commit."""
    asset, colon, version = name.partition(":")
    if not is_valid_name(asset) or (colon and not re.fullmatch(model.VERSION_PATTERN, version)):
        return None
    return ResourceKey(kind, asset, version or None)


def _labels_of(resource: Resource | None) -> list[Link]:
    """The labels that people gave a version."""
    if resource is None or resource.kind != model.KIND:
        return []
    labels = [f"{resource.name}@{label}" for label in resource.status.get("labels") or ()]
    return [Link(Relation.NAMES, f"{LABEL}/{label}", label) for label in labels]


def _facts(resource: Resource) -> dict[str, str]:
    """A few things to know of it."""
    facts: dict[str, str | None] = {}
    if resource.kind == model.KIND:
        spec = ModelSpec.model_validate(resource.spec)
        made_with = " ".join(filter(None, [spec.framework, spec.framework_version]))
        facts = {"type": spec.type, "framework": made_with, "stage": spec.stage}
        facts["archived"] = "yes" if resource.status.get("archived") else None
    elif resource.kind == run.KIND:
        of_run = RunSpec.model_validate(resource.spec)
        facts = {"experiment": of_run.experiment_name, "status": of_run.status}
    facts["created"] = f"{resource.created_at:%Y-%m-%d %H:%M} by {resource.created_by}"
    return {name: str(value) for name, value in facts.items() if value}
