"""What a job of Slipway's own is to do, and what came of it: both are artifacts, named by their SHA-256."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from shared.resources.base import Document
from shared.resources.build import StoredText
from shared.resources.collection_window import SketchedWindow, WindowOutcome
from shared.resources.data_profile import DataProfile, DataTable
from shared.resources.environment_build import EnvironmentRecipe
from shared.resources.model import ModelFile
from shared.resources.monitor_request import MonitorRequest
from shared.resources.monitor_result import MonitorResult
from shared.resources.optimization import OptimizationResult
from shared.resources.optimization_job import OptimizationSpec
from shared.resources.profile import ProfileResult
from shared.resources.profile_job import ProfileSpec


class AssetWork(Document):
    """What is read of a data asset."""

    table: DataTable  # its rows
    sketch: StoredText | None = None  # stands for them; None: the rows are read


class ComponentWork(Document):
    """The command of a custom signal."""

    command: str  # with its bindings
    values: dict[str, str]  # of inputs that are no data
    folders: list[str]  # inputs that are folders; others are single files
    variables: dict[str, str]  # of its environment
    files: list[ModelFile]  # its code, by path
    code: str  # the folder of these that it runs in; "": where its file is
    recipe: EnvironmentRecipe  # of the environment, which is made anew in the job


class MonitorRunWork(Document):
    """The statistics of a run of a monitor."""

    kind: Literal["monitor-run"] = "monitor-run"
    request: MonitorRequest  # its data sets have labels and no files
    collected: dict[str, str]  # label -> ENDPOINT/DEPLOYMENT/COLLECTION
    assets: dict[str, AssetWork]  # label -> what is read of a data asset
    reading_rows: list[str]  # signals that read the rows of their reference, whatever its sketch
    windows: dict[str, list[SketchedWindow]] = Field(default_factory=dict)  # of production, by signals' names
    components: dict[str, ComponentWork] = Field(default_factory=dict)  # what custom signals run, by their names
    index_url: str = ""  # where the packages of components come from; "": what uv is configured with
    timeout_s: float  # how long it may take

    @property
    def runs_others_code(self) -> bool:
        """Whether code that is not Slipway's own runs: it is kept from the identity then."""
        return bool(self.components)


class DataProfileWork(Document):
    """The rows of a data asset, to be read once."""

    kind: Literal["data-profile"] = "data-profile"
    profile_id: str  # names the reading
    label: str  # NAME:VERSION
    table: DataTable  # its rows
    timeout_s: float  # how long it may take

    @property
    def runs_others_code(self) -> bool:
        """Nothing but Slipway's own."""
        return False


class WindowSketchWork(Document):
    """A window of collected data, to be read once."""

    kind: Literal["window-sketch"] = "window-sketch"
    sketch_id: str  # names the reading
    collection: str  # ENDPOINT/DEPLOYMENT/COLLECTION
    folder: str  # below it
    baselines: list[StoredText]  # stored sketches at whose edges is counted
    timeout_s: float  # how long it may take

    @property
    def runs_others_code(self) -> bool:
        """Nothing but Slipway's own."""
        return False


class ProfileWork(Document):
    """The profile of a model."""

    kind: Literal["profile"] = "profile"
    profile_id: str  # names it
    spec: ProfileSpec  # what is measured, and how
    recipe: EnvironmentRecipe  # of the environment, which is made anew in the job
    packages: list[str]  # names of the packages it has
    index_url: str  # where packages come from; "": what uv is configured with
    cpus: float  # what the job may use: a quota, which processes cannot see
    prices: str = ""  # a table of prices as JSON; "": the packaged one
    timeout_s: float  # how long it may take

    @property
    def runs_others_code(self) -> bool:
        """The model's own."""
        return True


class OptimizationWork(Document):
    """The optimisation of a model."""

    kind: Literal["optimization"] = "optimization"
    optimization_id: str  # names it
    spec: OptimizationSpec  # what is optimised, and how
    index_url: str  # where packages come from; "": what uv is configured with
    timeout_s: float  # how long it may take

    @property
    def runs_others_code(self) -> bool:
        """The model's own: what a pickle holds runs when it is opened."""
        return True


AnyWork = MonitorRunWork | DataProfileWork | WindowSketchWork | ProfileWork | OptimizationWork
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


class OptimizationOutcome(Document):
    """What came of an optimisation: one of the two."""

    result: OptimizationResult | None = None  # the files of its verified variants are artifacts
    reason: str = ""  # why it failed
