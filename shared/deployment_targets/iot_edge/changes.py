"""What is put to the hub and deleted there next; pure. What ran stays below what takes its place until that is applied,
so that devices fall back to it at once when it goes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.deployment_targets.iot_edge.configurations import DEPLOYMENT, PLACE, Configuration, LiveConfiguration
from shared.deployment_targets.iot_edge.rings import NOBODY, Level
from shared.resources.iot_edge_compute import IotEdgeCompute

RESOLUTION = timedelta(seconds=1)  # of the hub's clock, as its answers tell it

Live = Mapping[str, LiveConfiguration]  # by id


@dataclass(frozen=True, slots=True)
class Put:
    """One to put: new, or in place of what is there."""

    configuration: Configuration
    there: LiveConfiguration | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """One to delete."""

    there: LiveConfiguration


Change = Put | Delete


def is_settled(wanted: Collection[Configuration], there: Live, now: datetime, compute: IotEdgeCompute) -> bool:
    """Whether all are there as wanted, and for long enough that the hub's counts are about them as they are."""
    long_ago = now - timedelta(seconds=compute.settle_s) + RESOLUTION
    found = [(one, there.get(one.id)) for one in wanted]
    return all(
        live is not None and not differs(one, live.configuration) and live.updated_at <= long_ago for one, live in found
    )


def to_be_told(one: Configuration, wanted: Collection[Configuration], there: Live) -> int:
    """How many devices are to run it: those that meet its condition, but for those of the rings above it, which are a
    part of them and have no device in common."""
    return max(0, _targeted(one, there) - sum(_targeted(each, there) for each in above(one, wanted)))


def above(one: Configuration, wanted: Collection[Configuration]) -> list[Configuration]:
    """Those that take devices from it."""
    return [each for each in wanted if each.priority > one.priority and each.condition != NOBODY]


def _targeted(one: Configuration, there: Live) -> int:
    live = there.get(one.id)
    return live.counts.targeted if live else 0


def is_applied(wanted: Collection[Configuration], there: Live, now: datetime, compute: IotEdgeCompute) -> bool:
    """Whether every device that is meant has been told of what it is to run. Not while the hub has counted no device:
    it may not have counted at all."""
    active = [one for one in wanted if one.condition != NOBODY]
    return is_settled(active, there, now, compute) and all(
        _targeted(one, there) > 0 and to_be_told(one, active, there) <= there[one.id].counts.applied for one in active
    )


def changes(wanted: Mapping[str, Configuration], there: Live, now: datetime, compute: IotEdgeCompute) -> list[Change]:
    """Of an endpoint, in their order: `wanted` by the names of deployments, `there` all that the hub has of it. What
    goes down goes first, so that no device gets what it had before for a moment."""
    is_over = is_applied(wanted.values(), there, now, compute)
    by_id = {one.id: one for one in wanted.values()}
    going_down: list[Change] = []
    going_up: list[Change] = []
    gone: list[Change] = []
    for live in sorted(there.values(), key=lambda one: one.configuration.id):
        wish = by_id.get(live.configuration.id)
        if wish is None and (is_over or live.configuration.condition == NOBODY):
            gone.append(Delete(live))
            continue
        target = wish if wish is not None and (is_over or wish.condition != NOBODY) else _former(live, wanted, compute)
        if differs(target, live.configuration):
            lower = target.priority < live.configuration.priority
            (going_down if lower else going_up).append(_put(target, live))
    going_up += [Put(one) for one in wanted.values() if one.id not in there]
    return [*going_down, *going_up, *gone]


def _former(live: LiveConfiguration, wanted: Mapping[str, Configuration], compute: IotEdgeCompute) -> Configuration:
    """Below what takes its place, for the same devices; where its deployment runs on, for those of the newer one."""
    before = live.configuration
    successor = wanted.get(before.labels.get(DEPLOYMENT, ""))
    level, condition = Level.FORMER_REST, before.condition
    if successor is not None and successor.condition != NOBODY:
        condition = successor.condition
        is_ring = successor.priority == compute.priority + Level.RING
        level = Level.FORMER_RING if is_ring else Level.FORMER_REST
    labels = {name: value for name, value in before.labels.items() if name != PLACE}
    return replace(before, labels=labels, condition=condition, priority=compute.priority + level)


def base_changes(wanted: Configuration, there: Live, now: datetime, compute: IotEdgeCompute) -> list[Change]:
    """Of the base deployment; the former one stays until the new one is applied."""
    found: list[Change] = []
    live = there.get(wanted.id)
    if live is None or differs(wanted, live.configuration):
        found.append(_put(wanted, live))
    is_over = is_applied([wanted], there, now, compute)
    for each in there.values():
        if each.configuration.id == wanted.id:
            continue
        former = replace(each.configuration, priority=max(0, wanted.priority - 1))
        if is_over:
            found.append(Delete(each))
        elif differs(former, each.configuration):
            found.append(_put(former, each))
    return found


def _put(wanted: Configuration, live: LiveConfiguration | None) -> Put:
    """With the labels that others gave it."""
    if live is None:
        return Put(wanted)
    others = {name: value for name, value in live.configuration.labels.items() if name != PLACE}
    return Put(replace(wanted, labels={**others, **wanted.labels}), live)


def differs(wanted: Configuration, there: Configuration) -> bool:
    """Whether something that can be changed is not as wanted: labels of others stay, content is named by the id."""
    return (
        (wanted.condition, wanted.priority) != (there.condition, there.priority)
        or {name: there.labels.get(name) for name in wanted.labels} != dict(wanted.labels)
        or (PLACE in there.labels and PLACE not in wanted.labels)
        or dict(wanted.queries) != dict(there.queries)
    )


def removal(there: Sequence[LiveConfiguration]) -> list[Change]:
    """Everything of an endpoint that is not declared any more. The base deployment stays: without it devices would
    keep the module."""
    return [Delete(one) for one in sorted(there, key=lambda one: one.configuration.id)]
