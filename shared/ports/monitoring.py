"""Where monitors calculate."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from shared.ports.artifacts import Artifact
from shared.resources.build import StoredText
from shared.resources.collection_window import SketchedWindow, WindowOutcome
from shared.resources.data_profile import DataProfile, DataTable
from shared.resources.environment_build import EnvironmentRecipe
from shared.resources.model import ModelFile
from shared.resources.monitor_request import MonitorRequest
from shared.resources.monitor_result import MonitorResult

ReadFile = Callable[[str], AsyncIterator[bytes]]  # the content of a file, by its SHA-256
KeepFile = Callable[[AsyncIterator[bytes]], Awaitable[Artifact]]  # stores a file


@dataclass(frozen=True, slots=True)
class AssetData:
    """What a run reads of a data asset: its sketch where there is one and it is enough, else its rows."""

    table: DataTable
    sketch: StoredText | None = None  # its digest in the artifact store; None: the rows are read


@dataclass(frozen=True, slots=True)
class ComponentRun:
    """The command of a custom signal, which writes metrics."""

    command: str  # with its bindings
    values: Mapping[str, str]  # of inputs that are no data
    folders: frozenset[str]  # inputs that are folders; others are single files
    variables: Mapping[str, str]  # of its environment
    files: tuple[ModelFile, ...]  # its code, by path
    code: str  # the folder of these that it runs in; "": where its file is
    environment: str  # where the environment is built: a folder, an image; "": it is not built yet
    recipe: EnvironmentRecipe | None = None  # what the environment is made of; None where that is not known


@dataclass(frozen=True, slots=True)
class MonitorRunRequest:
    """What is to be calculated. A data set of the request whose label is a key of `collected` or `assets` is given its
    files, or its sketch, by the runner."""

    request: MonitorRequest
    collected: Mapping[str, str]  # label -> ENDPOINT/DEPLOYMENT/COLLECTION
    assets: Mapping[str, AssetData]  # label -> what is read of a data asset
    read_file: ReadFile
    reading_rows: frozenset[str] = frozenset()  # signals that read the rows of their reference, whatever its sketch
    components: Mapping[str, ComponentRun] = field(default_factory=dict)  # what custom signals run, by their names
    windows: Mapping[str, Sequence[SketchedWindow]] = field(default_factory=dict)  # of production, by signals' names


@dataclass(frozen=True, slots=True)
class MonitorProgress:
    """How far a run is."""

    run_id: str
    log: str = ""  # what it printed so far
    result: MonitorResult | None = None  # when it has ended well
    error: str = ""  # when it has ended badly: why
    outdated: tuple[str, ...] = ()  # windows whose files are others than were sketched: COLLECTION/FOLDER


@dataclass(frozen=True, slots=True)
class DataProfileRequest:
    """A data set whose rows are to be read once."""

    profile_id: str  # names this reading: letters, digits, dashes
    label: str  # NAME:VERSION
    table: DataTable
    read_file: ReadFile
    keep_file: KeepFile


@dataclass(frozen=True, slots=True)
class StoredProfile:
    """What is kept of a data set whose rows were read."""

    profile: DataProfile
    profile_file: StoredText  # the same as JSON, in the artifact store
    sketch_file: StoredText  # stands for the rows as a baseline


@dataclass(frozen=True, slots=True)
class DataProfileProgress:
    """How far a reading is."""

    run_id: str
    log: str = ""  # what it printed so far
    stored: StoredProfile | None = None  # when it has ended well
    error: str = ""  # when it has ended badly: why


@dataclass(frozen=True, slots=True)
class WindowSketchRequest:
    """A window of collected data whose rows are to be read once."""

    sketch_id: str  # names this reading: letters, digits, dashes
    collection: str  # ENDPOINT/DEPLOYMENT/COLLECTION
    folder: str  # below it
    baselines: tuple[StoredText, ...]  # stored sketches at whose edges is counted
    read_file: ReadFile
    keep_file: KeepFile


@dataclass(frozen=True, slots=True)
class WindowSketchProgress:
    """How far a reading is."""

    run_id: str
    log: str = ""  # what it printed so far
    outcome: WindowOutcome | None = None  # when it has ended well
    error: str = ""  # when it has ended badly: why


class MonitorRunner(Protocol):
    """Calculates what monitors find, in processes of their own."""

    async def advance(self, request: MonitorRunRequest, run_id: str) -> MonitorProgress:
        """Begin it, or look at the one under way or done. Raises NotSupported where nothing can be calculated."""
        ...

    async def cancel(self, monitor_run_id: str) -> None:
        """End it. Nothing happens when it has ended."""
        ...

    async def profile(self, request: DataProfileRequest) -> DataProfileProgress:
        """Begin to read a data set, or look at the reading under way or done. Raises NotSupported where nothing can be
        calculated."""
        ...

    async def sketch(self, request: WindowSketchRequest) -> WindowSketchProgress:
        """Begin to read a window, or look at the reading under way or done. Raises NotSupported where nothing can be
        calculated."""
        ...
