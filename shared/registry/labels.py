"""Labels: names like `champion` that people move from version to version. `latest` is kept by the registry itself."""

from __future__ import annotations

import re
from collections.abc import Sequence

from shared.commit import Committer, Current, Draft
from shared.errors import Fault, Invalid, NotFound, PreconditionFailed
from shared.events import types
from shared.registry.keys import head_key, version_key
from shared.registry.models import Registry
from shared.resources.base import Cause, Resource, ResourceKey
from shared.resources.model import LABEL_PATTERN, LABEL_RULE, LATEST, ModelHeadStatus, ModelPhase, ModelVersionStatus

MAX_LABELS = 100


class Labels:
    """Moves labels: the head and the versions that a label leaves and reaches change in one transaction."""

    def __init__(self, registry: Registry, committer: Committer) -> None:
        self._registry = registry
        self._committer = committer

    async def set(self, name: str, label: str, version: str, cause: Cause, *, expected: str | None = None) -> Resource:
        """The version that has the label now. `expected`: the version that must have it before ("": none may; None:
        whichever). Raises NotFound, Invalid for a name that is no label, PreconditionFailed where it is another."""
        _check_label(label)
        target = await self._registry.get(name, version)

        async def change(current: Current) -> Sequence[Draft]:
            reached = current[target.key]
            if reached is None or reached.status.get("phase") == ModelPhase.DELETING:
                raise NotFound(f"{name}:{target.version} was deleted")
            return _moved(current, label, expected, reached)

        committed = await self._committer.transact(
            (head_key(name), target.key), change, cause, also=lambda current: _holder(current, name, label)
        )
        return next((one for one in committed if one.key == target.key), target)

    async def remove(self, name: str, label: str, cause: Cause) -> None:
        """Take the label away. Raises NotFound when there is none."""
        _check_label(label)
        await self._registry.head(name)

        async def change(current: Current) -> Sequence[Draft]:
            status = _status(current, name)
            if label not in status.labels:
                raise NotFound(f"model {name!r} has no label {label!r}")
            return _moved(current, label, None, None)

        await self._committer.transact(
            (head_key(name),), change, cause, also=lambda current: _holder(current, name, label)
        )


def _check_label(label: str) -> None:
    if not re.fullmatch(LABEL_PATTERN, label) or label.casefold() == LATEST:
        fault = Fault(f"{label[:80]!r} is not a label that can be set", "/label", allowed=LABEL_RULE)
        raise Invalid("the label is not accepted", faults=(fault,))


def _status(current: Current, name: str) -> ModelHeadStatus:
    head = current[head_key(name)]
    if head is None:
        raise NotFound(f"there is no model {name!r}")
    return ModelHeadStatus.model_validate(head.status)


def _holder(current: Current, name: str, label: str) -> Sequence[ResourceKey]:
    version = _status(current, name).labels.get(label)
    return () if version is None else (version_key(name, version),)


def _moved(current: Current, label: str, expected: str | None, reached: Resource | None) -> Sequence[Draft]:
    """The drafts that move the label to `reached` (None: away)."""
    head = next(one for one in current.values() if one is not None and one.version is None)
    status = ModelHeadStatus.model_validate(head.status)
    before = status.labels.get(label)
    after = reached.version if reached else None
    if expected is not None and expected != (before or ""):
        raise PreconditionFailed(f"{head.name}@{label} is {before or 'not set'}, not {expected or 'unset'}")
    if before == after:
        return ()
    labels = {key: value for key, value in status.labels.items() if key != label} | ({label: after} if after else {})
    if len(labels) > MAX_LABELS:
        raise Invalid(f"{len(labels)} labels are too many", remedy=f"a model has at most {MAX_LABELS}")
    drafts = [Draft.of(head, status=status.model_copy(update={"labels": labels}).model_dump(mode="json"))]
    left = current.get(version_key(head.name, before)) if before else None
    event = _event(head.name, label, before, after)
    if reached is not None:
        drafts.append(_relabelled(reached, added=label, event=event))
    if left is not None:
        drafts.append(_relabelled(left, removed=label, event=None if reached else event))
    return drafts


def _relabelled(
    version: Resource, *, added: str | None = None, removed: str | None = None, event: types.EventDraft | None
) -> Draft:
    status = ModelVersionStatus.model_validate(version.status)
    labels = sorted({*status.labels, *([added] if added else [])} - {removed})
    changed = status.model_copy(update={"labels": labels})
    return Draft.of(version, status=changed.model_dump(mode="json"), events=(event,) if event else ())


def _event(name: str, label: str, before: str | None, after: str | None) -> types.EventDraft:
    former = types.event_version(before) if before else None
    if after is None:
        return types.model_event(types.MODEL_LABEL_REMOVED, name, str(before), label=label)
    return types.model_event(types.MODEL_LABEL_SET, name, after, label=label, formerVersion=former)
