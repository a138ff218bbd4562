"""There are no statistics in the function app: they need a machine of their own."""

from __future__ import annotations

from shared.errors import NotSupported
from shared.ports import DataProfileProgress, DataProfileRequest, MonitorProgress, MonitorRunRequest


class NoMonitorRunner:
    """A MonitorRunner that says what to do instead."""

    async def advance(self, request: MonitorRunRequest, run_id: str) -> MonitorProgress:
        """Raises NotSupported."""
        raise NotSupported("monitors are not run on Azure yet", remedy="run them with `slipway up` on a machine")

    async def cancel(self, monitor_run_id: str) -> None:
        """See MonitorRunner: nothing runs."""

    async def profile(self, request: DataProfileRequest) -> DataProfileProgress:
        """Raises NotSupported."""
        raise NotSupported("data are not profiled on Azure yet", remedy="register them with `slipway up` on a machine")
