"""What a run of a monitor learnt from data assets, kept with their versions: later runs need not learn it again."""

from __future__ import annotations

from collections.abc import Sequence

from shared.commit import Current, Draft
from shared.controllers.outcome import Deps
from shared.resources.base import Cause, ResourceKey, is_valid_name
from shared.resources.data import KIND
from shared.resources.data_profile import DataVersionStatus
from shared.resources.importance import LearntImportance, with_learnt


async def keep_importances(learnt: Sequence[LearntImportance], deps: Deps, cause: Cause) -> None:
    """A version that is gone meanwhile keeps nothing. Raises Retryable."""
    for one in learnt:
        name, _, version = one.data.partition(":")
        if is_valid_name(name) and is_valid_name(version):  # rows that were collected have labels of another form
            await _keep(ResourceKey(KIND, name, version), one, deps, cause)


async def _keep(key: ResourceKey, learnt: LearntImportance, deps: Deps, cause: Cause) -> None:
    async def change(current: Current) -> Sequence[Draft]:
        version = current[key]
        if version is None:
            return ()
        status = DataVersionStatus.model_validate(version.status)
        kept = with_learnt(status.importances, learnt)
        if kept == status.importances:
            return ()
        status.importances = kept
        return (Draft.of(version, status=status.model_dump(mode="json")),)

    await deps.committer.transact((key,), change, cause)
