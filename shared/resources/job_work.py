"""What a job of Slipway's own is to do, and what came of it: both are artifacts, named by their SHA-256."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from shared.resources.base import Document
from shared.resources.build import StoredText
from shared.resources.collection_window import SketchedWindow, WindowOutcome
from shared.resources.data_profile import DataProfile, DataTable
from shared.resources.environment_build import EnvironmentRecipe
from shared.resources.monitor_request import MonitorRequest
from shared.resources.monitor_result import MonitorResult
from shared.resources.profile import ProfileResult
from shared.resources.profile_job import ProfileSpec


class AssetWork(Document):
    """What is read of a data asset."""

    table: DataTable  # its rows
    sketch: StoredText | None = None  # stands for them; None: the rows are read


class MonitorRunWork(Document):
    """The statistics of a run of a monitor."""

    kind: Literal["monitor-run"] = "monitor-run"
    request: MonitorRequest  # its data sets have labels and no files
    collected: dict[str, str]  # label -> ENDPOINT/DEPLOYMENT/COLLECTION
    assets: dict[str, AssetWork]  # label -> what is read of a data asset
    reading_rows: list[str]  # signals that read the rows of their reference, whatever its sketch
    windows: dict[str, list[SketchedWindow]] = Field(default_factory=dict)  # of production, by signals' names
    timeout_s: float  # how long it may take


class DataProfileWork(Document):
    """The rows of a data asset, to be read once."""

    kind: Literal["data-profile"] = "data-profile"
    profile_id: str  # names the reading
    label: str  # NAME:VERSION
    table: DataTable  # its rows
    timeout_s: float  # how long it may take


class WindowSketchWork(Document):
    """A window of collected data, to be read once."""

    kind: Literal["window-sketch"] = "window-sketch"
    sketch_id: str  # names the reading
    collection: str  # ENDPOINT/DEPLOYMENT/COLLECTION
    folder: str  # below it
    baselines: list[StoredText]  # stored sketches at whose edges is counted
    timeout_s: float  # how long it may take


class ProfileWork(Document):
    """The profile of a model."""

    kind: Literal["profile"] = "profile"
    profile_id: str  # names it
    spec: ProfileSpec  # what is measured, and how
    recipe: EnvironmentRecipe  # of the environment, which is made anew in the job
    packages: list[str]  # names of the packages it has
    index_url: str  # where packages come from; "": what uv is configured with
    cpus: float  # what the job may use: a quota, which processes cannot see
    timeout_s: float  # how long it may take


AnyWork = MonitorRunWork | DataProfileWork | WindowSketchWork | ProfileWork
WORK: TypeAdapter[AnyWork] = TypeAdapter(Annotated[AnyWork, Field(discriminator="kind")])


class MonitorRunOutcome(Document):
    """What came of a run of a monitor: a result or an error."""

    result: MonitorResult | None = None  # it ended well
    error: str = ""  # why it did not
    outdated: list[str] = Field(default_factory=list)  # windows whose files are others than were sketched


class DataProfileOutcome(Document):
    """What came of reading a data asset: the error, or all of the others."""

    profile: DataProfile | None = None  # it ended well
    profile_file: StoredText | None = None  # the same as JSON
    sketch_file: StoredText | None = None  # stands for the rows as a baseline
    error: str = ""  # why it did not


class WindowSketchOutcome(Document):
    """What came of reading a window: one of the two."""

    outcome: WindowOutcome | None = None  # it ended well
    error: str = ""  # why it did not


class ProfileOutcome(Document):
    """What came of a profile of a model."""

    result: ProfileResult  # in a final state, however it ended
