"""What applying files needs of the control plane; shared.controllers.outcome.Deps has it all."""

from __future__ import annotations

from typing import Protocol

from shared.commit import Committer, TransactionalStore
from shared.ports import ArtifactStore, Clock, WorkQueue
from shared.registry.lifecycle import Lifecycle
from shared.registry.models import Registry
from shared.registry.policies import Policies
from shared.settings import Settings


class World(Protocol):
    """The stores and the registry."""

    @property
    def settings(self) -> Settings: ...

    @property
    def store(self) -> TransactionalStore: ...

    @property
    def committer(self) -> Committer: ...

    @property
    def registry(self) -> Registry: ...

    @property
    def lifecycle(self) -> Lifecycle: ...

    @property
    def policies(self) -> Policies: ...

    @property
    def artifacts(self) -> ArtifactStore: ...

    @property
    def queue(self) -> WorkQueue: ...

    @property
    def clock(self) -> Clock: ...
