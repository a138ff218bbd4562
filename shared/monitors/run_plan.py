"""What a run of a monitor is to read and to calculate, as its signals are planned one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from shared.datasets.versions import LATEST
from shared.errors import Invalid, NotSupported
from shared.monitors.collected_layout import collection_folder
from shared.monitors.column_names import meanings
from shared.monitors.windows import Window, production_window, reference_window
from shared.resources.monitor import MonitorDeclaration
from shared.resources.monitor_data import InputData, MonitoredData
from shared.resources.monitor_request import DataSet, MonitorRequest
from shared.resources.references import AssetReference, parse_reference


@dataclass(frozen=True, slots=True)
class ComponentPlan:
    """What a custom signal runs."""

    name: str  # of the component
    version: str  # or `latest`
    values: Mapping[str, str]  # inputs that are no data, by name
    variables: Mapping[str, str]  # of its environment


@dataclass(frozen=True, slots=True)
class RunPlan:
    """One run."""

    request: MonitorRequest  # its data sets have labels and no files
    collected: dict[str, str] = field(default_factory=dict)  # label -> ENDPOINT/DEPLOYMENT/COLLECTION
    assets: dict[str, tuple[str, str]] = field(default_factory=dict)  # label -> name and version, or `latest`
    components: dict[str, ComponentPlan] = field(default_factory=dict)  # of custom signals, by their names
    alerting: tuple[str, ...] = ()  # signals whose breach is announced
    infrastructure: dict[str, dict[str, float]] = field(default_factory=dict)  # thresholds of these signals, by name
    deployment: str = ""  # whose figures they are judged by: ENDPOINT.DEPLOYMENT; "" for none of this control plane
    order: tuple[str, ...] = ()  # the names of all signals as they are declared


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a run's data come from; notes in the plan what each data set stands for."""

    plan: RunPlan
    monitor: MonitorDeclaration
    deployment: str  # ENDPOINT.DEPLOYMENT; "" where none of this control plane is monitored
    at: datetime  # when the run is due

    def production(self, said: MonitoredData | None, collection: str, known: Mapping[str, str]) -> DataSet:
        """Data of production: an asset that is named, else what the deployment collected in the window; `known` are the
        meanings that its columns may have. Raises Invalid and NotSupported."""
        columns = _columns(said, known)
        if said is not None and said.input_data is not None:
            window = production_window(said.data_window, self.monitor.trigger, self.at) if said.data_window else None
            return self._asset(said.input_data, columns, window)
        window = production_window(said.data_window if said else None, self.monitor.trigger, self.at)
        return self._collected(collection, window, columns, "")

    def reference(
        self, said: MonitoredData | None, collection: str, known: Mapping[str, str], production: DataSet
    ) -> DataSet:
        """Data to compare with: an asset that is named, else what was collected before the window of production.
        Raises Invalid and NotSupported."""
        trigger = self.monitor.trigger
        now = production_window(None, trigger, self.at)
        if production.window_start and production.window_end:
            now = Window(production.window_start, production.window_end)
        columns = _columns(said, known)
        window = reference_window(said.data_window if said else None, trigger, now, self.at)
        if said is not None and said.input_data is not None:
            return self._asset(said.input_data, columns, window if said.data_window else None)
        return self._collected(collection, window, columns, " before")

    def _collected(self, collection: str, window: Window, columns: Mapping[str, str], what: str) -> DataSet:
        if not self.deployment:
            raise NotSupported(
                "the monitor names no deployment of this control plane, and the signal no data",
                remedy="name one (endpoint_deployment_id: azureml:ENDPOINT:DEPLOYMENT), or production_data.input_data",
            )
        endpoint, _, short = self.deployment.partition(".")
        folder = collection_folder(endpoint, short, collection)
        label = f"{folder} {window.start:%Y-%m-%dT%H:%M:%SZ}{what}"
        self.plan.collected[label] = folder
        return DataSet(
            label=label,
            window_start=window.start,
            window_end=window.end,
            correlation_column=columns.get("correlation_id", ""),
        )

    def _asset(self, said: InputData, columns: Mapping[str, str], window: Window | None) -> DataSet:
        if window is not None and "timestamp" not in columns:
            raise Invalid(
                f"a window of {said.path} is given, and not the column that says when a row was seen",
                remedy="name it: data_column_names.timestamp",
            )
        found = _asset_named(said.path)
        label = f"{found[0]}:{found[1]}"
        self.plan.assets[label] = found
        return DataSet(
            label=label,
            window_start=window.start if window else None,
            window_end=window.end if window else None,
            time_column=columns.get("timestamp", ""),
            correlation_column=columns.get("correlation_id", ""),
        )


def _columns(said: MonitoredData | None, known: Mapping[str, str]) -> dict[str, str]:
    if said is None:
        return {}
    if said.pre_processing_component:
        raise NotSupported("a pre_processing_component is not run", remedy="register data that are ready")
    return meanings(said.data_column_names, known) if known else {}


def _asset_named(path: str) -> tuple[str, str]:
    try:
        found = parse_reference(path)
    except ValueError as error:
        raise Invalid(
            f"{path!r} {error}", remedy="name a data asset: azureml:NAME:VERSION or azureml:NAME@latest"
        ) from error
    if not isinstance(found, AssetReference) or found.registry:
        raise NotSupported(
            f"the data {path!r} cannot be read here",
            remedy="register it (`slipway data create NAME URI` keeps its bytes as a version), and name that: "
            "azureml:NAME:VERSION or azureml:NAME@latest",
        )
    if found.label not in (None, LATEST):
        raise NotSupported(f"data assets have no label {found.label!r}", remedy="name a version, or @latest")
    return found.name, found.version or LATEST
