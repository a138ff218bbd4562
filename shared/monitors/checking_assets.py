"""Whether the data assets and components that a monitor names can be read and run, found when it is applied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shared.datasets.versions import find_version, held, is_awaited, table_of_version
from shared.errors import Invalid, NotFound, NotSupported
from shared.monitors.assets import data_sets
from shared.monitors.checking import Problem
from shared.monitors.components import component_run
from shared.monitors.run_plan import RunPlan
from shared.ports import ArtifactStore, ResourceStore
from shared.resources.data_profile import DataPhase, DataVersionStatus
from shared.resources.monitor_request import DataSet, SignalRequest

SHOWN = 10


async def asset_problems(
    plans: Mapping[str, RunPlan], place: str, store: ResourceStore, artifacts: ArtifactStore
) -> tuple[Problem, ...]:
    """Everything that is wrong with what signals name, by the plan of each; () for nothing. `place` is the pointer to
    the signals. What is not there is left out: another file declares it."""
    found: list[Problem] = []
    for key, plan in plans.items():
        for signal in plan.request.signals:  # one; none of a signal that reads no data
            found += await _signal_problems(signal, plan, f"{place}/{key}", store, artifacts)
    return tuple(dict.fromkeys(found))


async def _signal_problems(
    signal: SignalRequest, plan: RunPlan, pointer: str, store: ResourceStore, artifacts: ArtifactStore
) -> list[Problem]:
    found = []
    for data in data_sets(signal):
        if data.label in plan.assets:
            found += [Problem(pointer, *told) for told in await _data_problems(signal, data, plan, store, artifacts)]
    for component in plan.components.values():
        try:
            await component_run(component, signal, store)
        except NotFound:
            continue
        except (Invalid, NotSupported) as error:
            found.append(Problem(pointer, error.message, error.remedy or ""))
    return found


async def _data_problems(
    signal: SignalRequest, data: DataSet, plan: RunPlan, store: ResourceStore, artifacts: ArtifactStore
) -> list[tuple[str, str]]:
    name = ":".join(plan.assets[data.label])
    try:
        version = await find_version(store, *plan.assets[data.label])
        if not is_awaited(version):
            await table_of_version(held(version), artifacts)
    except NotFound:
        return []
    except Invalid as error:
        return [(f"the rows of {name} cannot be read: {error.message}", error.remedy or "")]
    status = DataVersionStatus.model_validate(version.status)
    if status.phase == DataPhase.FAILED:
        return [(f"the rows of {name} cannot be read: {status.why}", "a version that can be read")]
    if status.phase != DataPhase.PROFILED:
        return []
    return list(_missing(signal, data, name, status.columns))


def _missing(signal: SignalRequest, data: DataSet, name: str, columns: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    shown = ", ".join(list(columns)[:SHOWN]) + (f" and {len(columns) - SHOWN} more" if len(columns) > SHOWN else "")
    wanted = [data.time_column, data.correlation_column, data.segment_column]
    if data is signal.reference:
        wanted += signal.features or []
    holds_truth = data in (signal.training, signal.reference) or signal.reference is None
    if holds_truth and signal.type != "custom":
        wanted.append(signal.columns.truth)
    if signal.type == "model_performance":
        if data is signal.production:
            wanted += [signal.columns.prediction, signal.columns.probability]
        if data is signal.reference and not data.correlation_column:
            wanted.append("correlationid")
    for column in dict.fromkeys(filter(None, wanted)):
        if column not in columns:
            yield f"{name} has no column {column!r}", f"one of {shown}"
