"""Fills a Slipway store with versions, by the registry's own drafts and commits: history, events, index and all."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from shared.commit import Current, Draft
from shared.registry.keys import head_key
from shared.registry.registration import Registration, drafts_of
from shared.resources.base import Cause
from shared.resources.model import ModelDeclaration, ModelFile, ModelPhase
from tests.plane import make_plane

BATCH = 12  # versions in a commit, which takes 30 writes
CAUSE = Cause(actor="benchmark", type="request", id="fill")


async def fill(data_dir: Path, names: int, versions: int, needles: int) -> None:
    """Models m0.. with `versions` versions in all, looked into already. Without HTTP, and 12 versions in a commit: one
    by one over HTTP it would take a quarter of an hour for 100,000."""
    plane, each = make_plane(data_dir), versions // names
    for name in range(names):
        for first in range(1, each + 1, BATCH):
            numbers = range(first, min(first + BATCH, each + 1))
            await _commit(plane.deps.committer, name, numbers, name * each, needles)
    store: Any = plane.deps.store
    await store.close()


async def _commit(committer: Any, model: int, numbers: Sequence[int], before: int, needles: int) -> None:
    name = f"m{model}"

    async def change(current: Current) -> Sequence[Draft]:
        drafts: list[Draft] = []
        for number in numbers:
            head, *others = drafts_of(_registration(name, number, before + number - 1, needles), _Seen(current, name))
            drafts = [head, *drafts[1:], *(_looked_into(draft) for draft in others)]
        return drafts

    await committer.transact([head_key(name)], change, CAUSE)


class _Seen(dict[Any, Any]):
    """What a registration reads: the head; nothing else is there yet."""

    def __init__(self, current: Current, name: str) -> None:
        super().__init__(current)

    def __missing__(self, key: Any) -> None:
        return None


def _registration(name: str, number: int, index: int, needles: int) -> Registration:
    tags = {"needle": f"n{index // needles}", "owner": f"team-{index % 10}"}
    declaration = ModelDeclaration(name=name, path="the.model", version=str(number), tags=tags)
    digest = hashlib.sha256(f"{name}:{number}".encode()).hexdigest()
    file = ModelFile(path="the.model", sha256=digest, size_bytes=1_000_000)
    return Registration.of(declaration, [file], f"u-{name}-{number:06}")


def _looked_into(draft: Draft) -> Draft:
    if not draft.unfinished:
        return draft
    return replace(draft, status={**draft.status, "phase": ModelPhase.READY}, unfinished=False)
