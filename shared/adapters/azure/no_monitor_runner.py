"""There are no statistics in the function app: they need jobs."""

from __future__ import annotations

from shared.errors import NotSupported
from shared.ports import (
    DataProfileProgress,
    DataProfileRequest,
    MonitorProgress,
    MonitorRunRequest,
    WindowSketchProgress,
    WindowSketchRequest,
)


class NoMonitorRunner:
    """A MonitorRunner that says what to do instead."""

    async def advance(self, request: MonitorRunRequest, run_id: str) -> MonitorProgress:
        """Raises NotSupported."""
        raise NotSupported("monitors run in jobs, and there is no image for them", remedy="set SLIPWAY_JOB_IMAGE")

    async def cancel(self, monitor_run_id: str) -> None:
        """See MonitorRunner: nothing runs."""

    async def profile(self, request: DataProfileRequest) -> DataProfileProgress:
        """Raises NotSupported."""
        raise NotSupported("data are profiled in jobs, and there is no image for them", remedy="set SLIPWAY_JOB_IMAGE")

    async def sketch(self, request: WindowSketchRequest) -> WindowSketchProgress:
        """Raises NotSupported."""
        raise NotSupported(
            "windows are sketched in jobs, and there is no image for them", remedy="set SLIPWAY_JOB_IMAGE"
        )
