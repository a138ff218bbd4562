"""A label that many move at once ends where one of them put it, and its history tells each move."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from shared.adapters.local.clock import SystemClock
from shared.commit import Committer
from shared.ports import RecordQuery
from shared.registry.keys import head_key
from shared.registry.labels import Labels
from shared.registry.models import Registry
from shared.resources.base import Cause
from shared.resources.chain import breaks
from shared.resources.model import ModelDeclaration, ModelFile
from tests.contract.resource_samples import every
from tests.contract.resource_stores import opened
from tests.scenarios.test_registry_machine import ADAPTERS, Nobody

CLIENTS = 32
FILES = (ModelFile(path="m.onnx", sha256="0" * 64, size_bytes=3),)


@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_a_label_moved_by_32_clients_at_once_ends_in_one_of_their_values(adapter: str, tmp_path: Path) -> None:
    async with opened(adapter, tmp_path) as make:
        stores = [make() for _ in range(4)]  # four hosts: no lock is shared between them
        committers = [Committer(store, Nobody(), SystemClock(), "topic") for store in stores]
        registries = [Registry(*pair) for pair in zip(stores, committers, strict=True)]
        labels = [Labels(*pair) for pair in zip(registries, committers, strict=True)]
        for number in range(8):
            declared = ModelDeclaration(name="m", path="m.onnx")
            await registries[0].register(declared, FILES, f"u-{number:08d}", cause("setup"))
        asked = [str(client % 8 + 1) for client in range(CLIENTS)]
        await asyncio.gather(
            *(labels[c % 4].set("m", "champion", version, cause(f"c{c}")) for c, version in enumerate(asked))
        )
        holder = await registries[0].get("m", "@champion")
        head = await registries[0].head("m")
        assert holder.version in asked
        assert head.status["labels"] == {"champion": holder.version}
        versions = [await registries[0].get("m", str(number + 1)) for number in range(8)]
        assert [one.version for one in versions if one.status["labels"]] == [holder.version]
        history = await every(stores[0].list_history, RecordQuery(key=str(head_key("m"))))
        moves = [record for record in history if "labels" in record.changes.get("status", {}) and record.revision > 8]
        assert moves[-1].changes["status"]["labels"]["champion"] == holder.version
        assert len({record.cause.id for record in moves}) == len(moves)  # at most one move each, none lost or doubled
        assert breaks(history, last_hash=head.history_hash) == []


def cause(request_id: str) -> Cause:
    return Cause(actor="tester", type="request", id=request_id)
