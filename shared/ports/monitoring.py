"""Where monitors calculate."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from shared.resources.model import ModelFile
from shared.resources.monitor_request import MonitorRequest
from shared.resources.monitor_result import MonitorResult


@dataclass(frozen=True, slots=True)
class MonitorRunRequest:
    """What is to be calculated. A data set of the request whose label is a key of `collected` or `assets` is given its
    files by the runner."""

    request: MonitorRequest
    collected: Mapping[str, str]  # label -> ENDPOINT/DEPLOYMENT/COLLECTION
    assets: Mapping[str, tuple[ModelFile, ...]]  # label -> files of a data asset
    read_file: Callable[[str], AsyncIterator[bytes]]  # the content of a file, by its SHA-256


@dataclass(frozen=True, slots=True)
class MonitorProgress:
    """How far a run is."""

    run_id: str
    log: str = ""  # what it printed so far
    result: MonitorResult | None = None  # when it has ended well
    error: str = ""  # when it has ended badly: why


class MonitorRunner(Protocol):
    """Calculates what monitors find, in processes of their own."""

    async def advance(self, request: MonitorRunRequest, run_id: str) -> MonitorProgress:
        """Begin it, or look at the one under way or done. Raises NotSupported where nothing can be calculated."""
        ...

    async def cancel(self, monitor_run_id: str) -> None:
        """End it. Nothing happens when it has ended."""
        ...
