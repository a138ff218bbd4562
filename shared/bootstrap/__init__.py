"""The one place where adapters are chosen, and what the functions call. Adapters are made at first use."""

from __future__ import annotations

from functools import cache

from shared.bootstrap.plane import ControlPlane
from shared.settings import load_settings

__all__ = ["ControlPlane", "control_plane"]


@cache
def control_plane() -> ControlPlane:
    """This process's control plane, by the settings in the environment. Raises Invalid for wrong settings."""
    settings = load_settings()
    if settings.telemetry != "none":
        from shared import telemetry
        from shared.adapters.open_telemetry import open_telemetry

        telemetry.use(open_telemetry(settings.telemetry, settings.managed_identity_client_id))
    if settings.mode == "azure":
        from shared.bootstrap.azure import azure_control_plane

        return azure_control_plane(settings)
    from shared.bootstrap.local import local_control_plane

    return local_control_plane(settings)
