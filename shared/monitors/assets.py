"""The data assets that a run of a monitor reads."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.datasets.versions import find_version, table_of_version
from shared.errors import Invalid
from shared.monitors.planning import RunPlan
from shared.monitors.stored_sketch import reads_rows
from shared.ports import ArtifactStore, AssetData, ResourceStore
from shared.resources.data_profile import DATA_TERMINAL, DataPhase, DataVersionStatus
from shared.resources.declared import DeclaredSpec
from shared.resources.monitor_request import DataSet, SignalRequest


@dataclass(slots=True)
class PlannedAssets:
    """What is read of the assets of a run."""

    given: dict[str, AssetData] = field(default_factory=dict)  # by label
    reading_rows: set[str] = field(default_factory=set)  # signals for which the sketches are not enough
    awaited: str = ""  # an asset that is not profiled yet; "": none is waited for


async def assets_of(plan: RunPlan, store: ResourceStore, artifacts: ArtifactStore) -> PlannedAssets:
    """The assets, by the labels of the plan's data sets, which say from now on which version it is. Raises NotFound,
    and Invalid for an asset whose rows cannot be read."""
    found = PlannedAssets()
    for signal in plan.request.signals:
        for data in _data_sets(signal):
            if data.label not in plan.assets:
                continue
            version = await find_version(store, *plan.assets[data.label])
            status = DataVersionStatus.model_validate(version.status)
            if version.unfinished and status.phase not in DATA_TERMINAL:
                found.awaited = f"{version.name}:{version.version}"
                return found
            if status.phase == DataPhase.FAILED:
                raise Invalid(
                    f"{version.key} cannot be read: {status.reason}", remedy="correct the data and apply them"
                )
            data.label = f"{version.name}:{version.version}"
            table = await table_of_version(DeclaredSpec.model_validate(version.spec), artifacts)
            found.given[data.label] = AssetData(table, status.sketch)
            if status.sketch is None or reads_rows(signal, status.columns):
                found.reading_rows.add(signal.name)
    return found


def _data_sets(signal: SignalRequest) -> list[DataSet]:
    return [signal.production, *([signal.reference] if signal.reference else [])]
