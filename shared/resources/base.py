"""The shape every resource shares: what was asked for (spec), what is so (status), and how it came to be."""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, NamedTuple

from pydantic import Field

from shared.resources.document import Document as Document  # also those that need no resource have it

# Azure ML's rule for asset names (azureml-core, Model.register).
NAME_PATTERN = r"^[a-zA-Z0-9][a-zA-Z0-9\-\._]{0,254}$"
NAME_RULE = "1 to 255 letters, digits, '-', '.' or '_', starting with a letter or a digit"
_NAME = re.compile(NAME_PATTERN + r"\Z")


def is_valid_name(name: str) -> bool:
    """Whether `name` keeps Azure ML's rule for asset names."""
    return _NAME.match(name) is not None


# Kinds that live in the partition of another kind, so that both change in one transaction.
_PARTITION_KIND = {"registration": "model", "tombstone": "model"}


class ResourceKey(NamedTuple):
    """Names one resource. `version` is None for kinds without versions and for the head of a versioned asset."""

    kind: str
    name: str
    version: str | None = None

    @property
    def partition(self) -> str:
        """The partition it lives in: all versions of an asset and their head share one, so they commit together."""
        return f"{_PARTITION_KIND.get(self.kind, self.kind)}/{self.name}"

    @property
    def document_id(self) -> str:
        """Its id inside the partition."""
        prefix = f"{self.kind}-" if self.kind in _PARTITION_KIND else ""
        return prefix + ("head" if self.version is None else f"version-{self.version}")

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}" + (f":{self.version}" if self.version is not None else "")

    @classmethod
    def parse(cls, text: str) -> ResourceKey:
        """The key that `str(key)` printed. Raises ValueError for anything else."""
        kind, slash, rest = text.partition("/")
        name, _, version = rest.partition(":")
        if not (kind and slash and name):
            raise ValueError(f"{text!r} is not KIND/NAME or KIND/NAME:VERSION")
        return cls(kind, name, version or None)


class ConditionStatus(StrEnum):
    """Kubernetes' three answers to a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Document):
    """One thing that is or is not so, as Kubernetes' API conventions have it ("typical status properties")."""

    type: str  # what the condition is about, in CamelCase
    status: ConditionStatus
    reason: str  # one CamelCase word for programs
    message: str = ""  # a sentence for people
    last_transition_time: datetime  # when `status` last changed


def with_condition(conditions: list[Condition], new: Condition) -> list[Condition]:
    """`conditions` with `new` in the place of the one of its type; the transition time stays when the status did."""
    for old in conditions:
        if old.type == new.type and old.status == new.status:
            new = new.model_copy(update={"last_transition_time": old.last_transition_time})
    return [c for c in conditions if c.type != new.type] + [new]


class Status(Document):
    """What is so. Kinds add their own fields and their phases."""

    phase: str = ""  # the kind's phase enum; "" for kinds without phases
    observed_generation: int = 0  # the generation of the spec that this status speaks of
    conditions: list[Condition] = Field(default_factory=list)  # at most one of each type


class Resource(Document):
    """A stored resource. `spec` and `status` are the kind's own documents, dumped (see shared.resources.kinds)."""

    kind: str  # which kind of resource: model, upload...
    name: str  # unique within the kind
    version: str | None = None  # the version of an asset; None for kinds without versions and for an asset's head
    spec: dict[str, Any]  # what was asked for; immutable for an asset's version
    status: dict[str, Any] = Field(default_factory=dict)  # what is so
    description: str | None = None  # free text
    tags: dict[str, str] = Field(default_factory=dict)  # mutable
    properties: dict[str, str] = Field(default_factory=dict)  # keys may be added, never changed
    generation: int = 1  # grows by one each time the spec changes
    revision: int = 0  # grows by one with every commit, the first is 1; ids of events and history derive from it
    history_hash: str = ""  # hash of its newest history record: shows when the end of the history is cut off
    unfinished: bool = False  # whether its controller has more to do, so that the timer looks again
    look_again_at: datetime | None = None  # when the timer looks at it next, if it is unfinished
    created_at: datetime
    created_by: str  # who asked for it: a principal's name, or a key's name
    modified_at: datetime
    modified_by: str
    etag: str | None = Field(default=None, exclude=True)  # the store's own; None before the first commit

    @property
    def key(self) -> ResourceKey:
        """The resource's name in the store."""
        return ResourceKey(self.kind, self.name, self.version)


class Cause(Document):
    """Why a change was made: who asked, and which request or event it came from."""

    actor: str  # a principal's name, a key's name, or a function's name
    type: Literal["request", "event", "message", "timer"]  # what kind of thing asked
    id: str  # the id of that request, event or message


class HistoryRecord(Document):
    """One line of the append-only history: every commit of a resource writes exactly one, in the same transaction."""

    key: str  # str(ResourceKey) of what changed
    revision: int  # the resource's revision after the change
    generation: int  # the resource's generation after the change
    time: datetime  # when it was committed
    action: Literal["created", "updated", "deleted"]
    cause: Cause  # who and what made it so
    changes: dict[str, Any]  # JSON merge patch (RFC 7396) from the state before to the state after
    previous_hash: str = ""  # `hash` of the record before it, of the same resource; "" for the first
    hash: str = ""  # SHA-256 of the record without this field: see shared.resources.chain
