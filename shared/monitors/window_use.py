"""Who uses sketches of collected data: signals that compare a collection with the stored sketch of a data asset."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from datetime import datetime

from shared.errors import Invalid, NotFound, NotSupported
from shared.monitors.assets import PlannedAssets, assets_of
from shared.monitors.collected_layout import folders_of
from shared.monitors.planning import plan_run
from shared.monitors.run_plan import RunPlan
from shared.monitors.stored_sketch import COMPARED
from shared.monitors.target import deployment_of
from shared.monitors.windows import Window
from shared.ports import ArtifactStore, ResourceQuery, ResourceStore, every
from shared.resources.build import StoredText
from shared.resources.collection_window import KIND, CollectionWindowSpec, CollectionWindowStatus, SketchedWindow
from shared.resources.declared import DeclaredSpec, deployment_name
from shared.resources.monitor import KIND as MONITOR
from shared.resources.monitor import MonitorDeclaration
from shared.resources.monitor_request import SignalRequest
from shared.resources.monitor_status import MonitorStatus
from shared.resources.search import field_term

PAGE = 500


def comparing(plan: RunPlan, labels: Collection[str], collection: str = "") -> list[SignalRequest]:
    """The signals that compare the distributions of a collection with a data asset of these labels, of this collection
    where one is given. A part of the rows, and whole rows, are no distribution that is kept."""
    return [
        one
        for one in plan.request.signals
        if one.type in COMPARED and not one.overall and not one.production.segment_column
        if one.production.label in plan.collected and collection in ("", plan.collected[one.production.label])
        if one.reference is not None and one.reference.label in labels
    ]


def baselines_in(signals: list[SignalRequest], assets: PlannedAssets) -> dict[str, StoredText]:
    """The stored sketch that each of these signals is compared with, by the signal's name, where it has one that is
    enough."""
    found = {}
    for signal in signals:
        given = assets.given.get(signal.reference.label) if signal.reference else None
        if given is not None and given.sketch is not None and signal.name not in assets.reading_rows:
            found[signal.name] = given.sketch
    return found


async def is_compared(collection: str, store: ResourceStore, now: datetime, *, or_may_be: bool = False) -> bool:
    """Whether a monitor compares it with a data asset; `or_may_be`: also one that is disabled, when it is enabled."""
    plans = _plans(collection, store, now, also_disabled=or_may_be)
    return any([bool(comparing(plan, plan.assets, collection)) async for plan in plans])


async def baselines_of(
    collection: str, store: ResourceStore, artifacts: ArtifactStore, now: datetime
) -> list[StoredText]:
    """The stored sketches that monitors compare it with, each once. A monitor whose data are not there has none."""
    found: dict[str, StoredText] = {}
    async for plan in _plans(collection, store, now):
        signals = comparing(plan, plan.assets, collection)
        if not signals:
            continue
        plan.request.signals[:] = signals  # what others read is not looked for
        plan.components.clear()
        try:
            assets = await assets_of(plan, store, artifacts)
        except (NotFound, Invalid, NotSupported):
            continue  # its runs say so
        found |= {one.sha256: one for one in baselines_in(signals, assets).values()}
    return [found[name] for name in sorted(found)]


async def _plans(
    collection: str, store: ResourceStore, now: datetime, *, also_disabled: bool = False
) -> AsyncIterator[RunPlan]:
    """What the monitors of the collection's deployment ask, if their triggers start runs."""
    endpoint, deployment, _ = collection.split("/")
    async for monitor in every(store, ResourceQuery(MONITOR, limit=PAGE)):
        declared = MonitorDeclaration.model_validate(DeclaredSpec.model_validate(monitor.spec).declaration)
        if deployment_of(declared) != deployment_name(endpoint, deployment):
            continue
        if MonitorStatus.model_validate(monitor.status).disabled and not also_disabled:
            continue
        try:
            yield plan_run(declared, monitor.name, "", now)
        except (Invalid, NotSupported):
            continue  # its runs say so


async def windows_of(plan: RunPlan, assets: PlannedAssets, store: ResourceStore) -> dict[str, list[SketchedWindow]]:
    """The windows that may stand for rows of each signal, by the signal's name."""
    signals = comparing(plan, assets.given)  # whose labels say by now which version it is
    found: dict[str, list[SketchedWindow]] = {}
    for name, baseline in baselines_in(signals, assets).items():
        production = next(one.production for one in signals if one.name == name)
        assert production.window_start is not None
        assert production.window_end is not None
        window = Window(production.window_start, production.window_end)
        found[name] = await _stored(plan.collected[production.label], window, baseline.sha256, store)
    return {name: windows for name, windows in found.items() if windows}


async def _stored(collection: str, window: Window, baseline: str, store: ResourceStore) -> list[SketchedWindow]:
    found = []
    for day in folders_of(window):
        query = ResourceQuery(KIND, terms=(field_term("collected_on", f"{collection}/{day}"),), limit=PAGE)
        for one in (await store.list_resources(query)).items:
            stored = CollectionWindowStatus.model_validate(one.status).stored
            if stored is not None and baseline in stored.sketches:
                folder = CollectionWindowSpec.model_validate(one.spec).folder
                found.append(
                    SketchedWindow(folder=folder, facts=stored.facts, ids=stored.ids, sketch=stored.sketches[baseline])
                )
    return found
