"""What the registry should do, as simply as it can be said, beside the registry itself: hypothesis compares the two."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from shared.commit import Committer
from shared.errors import AlreadyExists, DeletionRequired, Invalid, NotFound, PreconditionFailed
from shared.ports import ANY_KIND, ResourceQuery
from shared.registry.labels import Labels
from shared.registry.lifecycle import Lifecycle
from shared.registry.models import Registry
from shared.resources.base import Cause
from shared.resources.model import ModelDeclaration, ModelFile
from shared.resources.patches import ModelPatch
from shared.resources.search import ACTIVE, field_term, reference_term, tag_term
from tests.contract.resource_samples import every

CAUSE = Cause(actor="tester", type="request", id="r")
FILES = (ModelFile(path="m.onnx", sha256="0" * 64, size_bytes=3),)
NAMES = st.sampled_from(["a", "a-b", "b"])
KEYS = st.sampled_from(["team", "stage", "x"])
VALUES = st.sampled_from(["red", "blue", "1"])
LABELS = st.sampled_from(["champion", "challenger"])
ASKED = st.one_of(st.none(), st.integers(1, 12), st.sampled_from(["1.0", "rc-1", "latest", "007"]))
PICK = st.integers(0, 10**6)


@dataclass
class Version:
    tags: dict[str, str]
    parent: tuple[str, str] | None
    archived: bool = False


@dataclass
class Model:
    """A model as a person would keep it on paper: versions in the order of their registration."""

    versions: dict[str, Version] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)  # every version there ever was
    highest: int = 0

    @property
    def latest(self) -> str:
        return next((name for name, one in reversed(self.versions.items()) if not one.archived), "")


class RegistryMachine(RuleBasedStateMachine):
    """Subclasses set `loop` and `store`."""

    loop: asyncio.AbstractEventLoop
    store: Any
    publisher: Any
    clock: Any
    steps = 0
    examples = itertools.count()

    def __init__(self) -> None:
        super().__init__()
        committer = Committer(self.store, self.publisher, self.clock, "topic")
        self.registry = Registry(self.store, committer)
        self.labels = Labels(self.registry, committer)
        self.lifecycle = Lifecycle(self.store, self.registry, committer)
        self.prefix = f"e{next(self.examples)}-"  # a store serves all examples: each has names and tags of its own
        self.models: dict[str, Model] = {}
        self.uploads = itertools.count()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        type(self).steps += 1
        return self.loop.run_until_complete(asyncio.wait_for(work, 30))

    def expect(self, error: type[Exception] | tuple[type[Exception], ...], work: Coroutine[Any, Any, Any]) -> None:
        try:
            self.run(work)
        except error:
            return
        raise AssertionError(f"{error} was to be raised")

    def existing(self, pick: int) -> tuple[str, str] | None:
        found = [(name, version) for name, model in sorted(self.models.items()) for version in model.versions]
        return found[pick % len(found)] if found else None

    @rule(name=NAMES, asked=ASKED, key=KEYS, value=VALUES, with_parent=st.booleans(), pick=PICK)
    def register(self, name: str, asked: str | int | None, key: str, value: str, with_parent: bool, pick: int) -> None:
        model = self.models.setdefault(name, Model())
        parent = self.existing(pick) if with_parent else None
        reference = f"{self.prefix}{parent[0]}:{parent[1]}" if parent else None
        declared = ModelDeclaration(
            name=self.prefix + name,
            path="m.onnx",
            version=asked,
            tags={key: self.prefix + value},
            parent=reference,
        )
        work = self.registry.register(declared, FILES, f"u-{next(self.uploads):08d}", CAUSE)
        version = str(asked) if asked is not None else str(model.highest + 1)
        if version in ("latest", "007"):
            return self.expect(Invalid, work)
        if version in model.used:
            return self.expect(AlreadyExists, work)
        assert self.run(work).version == version
        model.versions[version] = Version({key: self.prefix + value}, parent)
        model.used.add(version)
        model.highest = max(model.highest, int(version)) if version.isdecimal() else model.highest
        return None

    @rule(pick=PICK, key=KEYS, value=st.one_of(st.none(), VALUES))
    def tag(self, pick: int, key: str, value: str | None) -> None:
        if (found := self.existing(pick)) is None:
            return
        name, version = found
        tags = self.models[name].versions[version].tags
        patch = ModelPatch(tags={key: value and self.prefix + value})
        changed = self.run(self.registry.update(self.prefix + name, version, patch, if_match="*", cause=CAUSE))
        tags.pop(key, None)
        if value is not None:
            tags[key] = self.prefix + value
        assert changed.tags == tags

    @rule(pick=PICK, label=LABELS, other=PICK, expect=st.booleans())
    def set_label(self, pick: int, label: str, other: int, expect: bool) -> None:
        if (found := self.existing(pick)) is None:
            return
        name, version = found
        model = self.models[name]
        expected = self.existing(other)[1] if expect else None  # type: ignore[index]
        work = self.labels.set(self.prefix + name, label, version, CAUSE, expected=expected)
        if expected is not None and expected != model.labels.get(label, ""):
            return self.expect(PreconditionFailed, work)
        assert label in self.run(work).status["labels"]
        model.labels[label] = version
        return None

    @rule(name=NAMES, label=LABELS)
    def remove_label(self, name: str, label: str) -> None:
        work = self.labels.remove(self.prefix + name, label, CAUSE)
        if label not in self.models.get(name, Model()).labels:
            return self.expect(NotFound, work)
        self.run(work)
        del self.models[name].labels[label]
        return None

    @rule(pick=PICK, archived=st.booleans())
    def archive(self, pick: int, archived: bool) -> None:
        if (found := self.existing(pick)) is None:
            return
        name, version = found
        self.run(self.lifecycle.set_archived(self.prefix + name, version, archived, CAUSE))
        self.models[name].versions[version].archived = archived

    @rule(pick=PICK)
    def delete(self, pick: int) -> None:
        if (found := self.existing(pick)) is None:
            return
        name, version = found
        model = self.models[name]
        children = [one for each in self.models.values() for one in each.versions.values() if one.parent == found]
        work = self.lifecycle.delete(self.prefix + name, version, CAUSE)
        if children or version in model.labels.values():
            return self.expect(DeletionRequired, work)
        self.run(work)
        del model.versions[version]
        return None

    @rule(name=NAMES, key=KEYS, value=VALUES)
    def search(self, name: str, key: str, value: str) -> None:
        term = tag_term(key, self.prefix + value)
        expected = {
            (self.prefix + each, version)
            for each, model in self.models.items()
            for version, one in model.versions.items()
            if one.tags.get(key) == self.prefix + value
        }
        query = ResourceQuery("model", versions="versions", terms=(term,), limit=2)
        found = self.run(every(self.store.list_resources, query))
        assert [(one.name, one.version) for one in found] == sorted(
            expected, key=lambda item: (item[0], *_version_order(item[1]))
        )
        query = ResourceQuery("model", self.prefix + name, "versions", terms=(ACTIVE,), sort="created", limit=3)
        active = [v for v, one in self.models.get(name, Model()).versions.items() if not one.archived]
        assert [one.version for one in self.run(every(self.store.list_resources, query))] == active

    @rule(pick=PICK, label=LABELS)
    def read(self, pick: int, label: str) -> None:
        if (found := self.existing(pick)) is None:
            return
        name, version = found
        model = self.models[name]
        one = self.run(self.registry.get(self.prefix + name, version))
        assert (one.tags, one.status["archived"]) == (model.versions[version].tags, model.versions[version].archived)
        assert one.status["labels"] == sorted(key for key, value in model.labels.items() if value == version)
        for asked, expected in ((f"@{label}", model.labels.get(label, "")), ("latest", model.latest)):
            work = self.registry.get(self.prefix + name, asked)
            if expected:
                assert self.run(work).version == expected
            else:
                self.expect(NotFound, work)

    @rule(pick=PICK)
    def users(self, pick: int) -> None:
        if (found := self.existing(pick)) is None:
            return
        query = ResourceQuery(ANY_KIND, terms=(reference_term(f"model/{self.prefix}{found[0]}:{found[1]}"),))
        users = {str(one.key) for one in self.run(every(self.store.list_resources, query))}
        assert users == {
            f"model/{self.prefix}{name}:{version}"
            for name, model in self.models.items()
            for version, one in model.versions.items()
            if one.parent == found
        }

    @rule(label=LABELS)
    def labelled(self, label: str) -> None:
        query = ResourceQuery("model", versions="versions", terms=(field_term("label", label),), limit=1000)
        found = {(one.name, one.version) for one in self.run(every(self.store.list_resources, query))}
        mine = {item for item in found if item[0].startswith(self.prefix)}
        assert mine == {
            (self.prefix + name, model.labels[label]) for name, model in self.models.items() if label in model.labels
        }

    @invariant()
    def heads_say_what_is_so(self) -> None:
        for name, model in self.models.items():
            if not model.used:
                continue
            status = self.loop.run_until_complete(self.registry.head(self.prefix + name)).status
            assert (status["latest_version"], status["labels"]) == (model.latest, model.labels)
            assert status["next_version"] == model.highest + 1
            assert status["archived"] == (not model.latest)


def _version_order(version: str) -> tuple[int, int, str]:
    return (0, int(version), "") if version.isdecimal() else (1, 0, version)
