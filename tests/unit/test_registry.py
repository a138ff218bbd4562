"""The registry on a real store: versions, idempotence, what may change and what may not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.local.clock import SystemClock
from shared.adapters.local.event_grid import LocalEventPublisher, open_event_grid
from shared.adapters.local.resource_store import SqliteResourceStore, open_resource_store
from shared.commit import Committer
from shared.errors import AlreadyExists, Invalid, NotFound, PreconditionFailed
from shared.ports import RecordQuery, ResourceQuery
from shared.registry.keys import version_key
from shared.registry.models import Registry
from shared.resources.base import Cause
from shared.resources.model import ModelDeclaration, ModelFile
from shared.resources.patches import ModelPatch

CAUSE = Cause(actor="alice", type="request", id="r-1")
FILES = (ModelFile(path="m.onnx", sha256="0" * 64, size_bytes=3),)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteResourceStore]:
    opened = open_resource_store(tmp_path / "store.db")
    yield opened
    await opened.close()


@pytest.fixture
def registry(store: SqliteResourceStore, tmp_path: Path) -> Registry:
    publisher = LocalEventPublisher(open_event_grid(tmp_path / "grid.db"))
    return Registry(store, Committer(store, publisher, SystemClock(), "topic"))


def declaration(**changes: Any) -> ModelDeclaration:
    return ModelDeclaration(**{"name": "diabetes", "path": "m.onnx", **changes})


async def test_concurrent_registrations_get_versions_without_gap_or_double(
    registry: Registry, store: SqliteResourceStore
) -> None:
    made = await asyncio.gather(*[registry.register(declaration(), FILES, f"upload-{i}", CAUSE) for i in range(64)])
    assert sorted(int(version.version or 0) for version in made) == list(range(1, 65))
    events = (await store.list_events(RecordQuery(limit=1000))).items
    assert len({record.event.id for record in events}) == 64
    assert {record.event.subject for record in events} == {f"models/diabetes:{i}" for i in range(1, 65)}


async def test_the_same_upload_is_registered_once_however_often_it_is_asked(registry: Registry) -> None:
    made = await asyncio.gather(*[registry.register(declaration(), FILES, "upload-1", CAUSE) for _ in range(10)])
    assert {version.version for version in made} == {"1"}
    assert await registry.registered_version("diabetes", "upload-1") == "1"
    assert await registry.registered_version("diabetes", "upload-2") is None


async def test_the_event_has_azure_mls_payload(registry: Registry, store: SqliteResourceStore) -> None:
    await registry.register(declaration(tags={"a": "1"}, properties={"p": "2"}), FILES, "upload-1", CAUSE)
    event = (await store.list_events(RecordQuery())).items[0].event
    assert (event.type, event.subject) == ("Microsoft.MachineLearningServices.ModelRegistered", "models/diabetes:1")
    assert event.data == {
        "modelName": "diabetes",
        "modelVersion": 1,
        "modelTags": {"a": "1"},
        "modelProperties": {"p": "2"},
    }


async def test_a_version_may_be_given_when_it_is_free_and_numbers_count_on_from_the_highest(registry: Registry) -> None:
    assert (await registry.register(declaration(version=5), FILES, "upload-1", CAUSE)).version == "5"
    with pytest.raises(AlreadyExists, match="version 5"):
        await registry.register(declaration(version="5"), FILES, "upload-2", CAUSE)
    assert (await registry.register(declaration(version=2), FILES, "upload-3", CAUSE)).version == "2"
    assert (await registry.register(declaration(), FILES, "upload-4", CAUSE)).version == "6"
    assert (
        await registry.register(declaration(version="2026.11-rc1"), FILES, "upload-5", CAUSE)
    ).version == "2026.11-rc1"
    assert (await registry.get("diabetes")).version == "2026.11-rc1"
    assert (await registry.register(declaration(), FILES, "upload-6", CAUSE)).version == "7"
    for version in ("latest", "01", "-1", "a b", "x" * 31, 0):
        with pytest.raises(Invalid, match="not accepted"):
            await registry.register(declaration(version=version), FILES, "upload-7", CAUSE)


async def test_reading_says_whether_the_name_or_the_version_is_unknown(registry: Registry) -> None:
    with pytest.raises(NotFound, match="no model 'diabetes'"):
        await registry.get("diabetes")
    await registry.register(declaration(), FILES, "upload-1", CAUSE)
    assert (await registry.get("diabetes", "latest")).version == "1"
    for version in ("2", "0", "x", "-1", "²"):
        with pytest.raises(NotFound, match="no version"):
            await registry.get("diabetes", version)
    with pytest.raises(NotFound):
        await registry.get("../diabetes")


async def test_versions_are_listed_newest_first_over_pages(registry: Registry) -> None:
    for index in range(12):
        await registry.register(declaration(), FILES, f"upload-{index}", CAUSE)
    query = ResourceQuery("model", "diabetes", "versions", sort="created", descending=True, limit=5)
    first = await registry.list_versions(query)
    second = await registry.list_versions(replace(query, after=first.continuation))
    third = await registry.list_versions(replace(query, after=second.continuation))
    found = [r.version for page in (first, second, third) for r in page.items]
    assert found == [str(number) for number in range(12, 0, -1)]
    assert third.continuation is None
    with pytest.raises(NotFound):
        await registry.list_versions(replace(query, name="nothing"))


async def test_tags_change_properties_do_not(registry: Registry, store: SqliteResourceStore) -> None:
    first = await registry.register(
        declaration(tags={"a": "1", "b": "2"}, properties={"p": "1"}), FILES, "upload-1", CAUSE
    )
    etag = (first.etag or "").strip('"')
    patch = ModelPatch(tags={"a": None, "c": "3"}, properties={"q": "2"}, description="new")
    changed = await registry.update("diabetes", "1", patch, if_match=etag, cause=CAUSE)
    assert (changed.tags, changed.properties) == ({"b": "2", "c": "3"}, {"p": "1", "q": "2"})
    assert (changed.description, changed.generation, changed.revision) == ("new", 1, 2)
    assert changed.spec == first.spec
    head = (await registry.list_models(ResourceQuery("model"))).items[0]
    assert (head.tags, head.description) == ({"b": "2", "c": "3"}, "new")
    with pytest.raises(PreconditionFailed):
        await registry.update("diabetes", "1", patch, if_match=etag, cause=CAUSE)
    with pytest.raises(Invalid, match="never change"):
        await registry.update("diabetes", "1", ModelPatch(properties={"p": "9"}), if_match="*", cause=CAUSE)
    history = await registry.history(version_key("diabetes", 1), limit=10, continuation=None)
    assert [record.action for record in history.items] == ["created", "updated"]
    assert history.items[1].changes["tags"] == {"a": None, "c": "3"}


async def test_a_patch_that_changes_nothing_writes_nothing(registry: Registry) -> None:
    await registry.register(declaration(tags={"a": "1"}), FILES, "upload-1", CAUSE)
    same = await registry.update("diabetes", "1", ModelPatch(tags={"a": "1"}), if_match="*", cause=CAUSE)
    assert same.revision == 1
