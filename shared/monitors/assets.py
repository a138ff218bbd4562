"""The data assets that a run of a monitor reads."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.datasets.versions import find_version, held, is_awaited, table_of_version
from shared.errors import Invalid
from shared.monitors.components import component_run
from shared.monitors.run_plan import RunPlan
from shared.monitors.stored_sketch import reads_rows
from shared.ports import ArtifactStore, AssetData, ComponentRun, ResourceStore
from shared.resources.data_profile import DataPhase, DataVersionStatus
from shared.resources.monitor_request import DataSet, SignalRequest


@dataclass(slots=True)
class PlannedAssets:
    """What is read of the assets of a run, and run for it."""

    given: dict[str, AssetData] = field(default_factory=dict)  # by label
    reading_rows: set[str] = field(default_factory=set)  # signals for which the sketch of the reference is not enough
    components: dict[str, ComponentRun] = field(default_factory=dict)  # of custom signals, by their names
    awaited: str = ""  # an environment or files that are not there yet; "": none are waited for


async def assets_of(plan: RunPlan, store: ResourceStore, artifacts: ArtifactStore) -> PlannedAssets:
    """The assets, by the labels of the plan's data sets, which say from now on which version it is. Raises NotFound,
    Invalid and NotSupported for an asset that cannot be read or run."""
    found = PlannedAssets()
    for signal in plan.request.signals:
        for data in data_sets(signal):
            if data.label in plan.assets:
                await _add(found, signal, data, plan.assets[data.label], store, artifacts)
        if signal.name in plan.components:
            run = await component_run(plan.components[signal.name], signal, store)
            found.components[signal.name] = run
            found.awaited = found.awaited or ("" if run.environment else f"the environment of {signal.name}")
    return found


async def _add(
    found: PlannedAssets,
    signal: SignalRequest,
    data: DataSet,
    named: tuple[str, str],
    store: ResourceStore,
    artifacts: ArtifactStore,
) -> None:
    version = await find_version(store, *named)
    status = DataVersionStatus.model_validate(version.status)
    if status.phase == DataPhase.FAILED:
        raise Invalid(f"{version.key} cannot be read: {status.why}", remedy="correct the data and apply them")
    data.label, data.importances = f"{version.name}:{version.version}", status.importances
    if is_awaited(version):
        found.awaited = found.awaited or f"the files of {data.label}"
        return
    table = await table_of_version(held(version), artifacts)
    found.given[data.label] = AssetData(table, status.sketch)
    if data is signal.reference and (status.sketch is None or reads_rows(signal, status.columns)):
        found.reading_rows.add(signal.name)


def data_sets(signal: SignalRequest) -> list[DataSet]:
    """All that a signal reads."""
    named = (signal.production, signal.reference, signal.outputs, signal.segment, signal.training)
    return [*(one for one in named if one is not None), *signal.inputs.values()]
