"""REST: hours of collected data that monitors compare."""

from __future__ import annotations

from shared.api.documents import collection_windows as doc
from shared.api.message import ApiRequest, ApiResponse
from shared.api.work import newest_first
from shared.bootstrap import ControlPlane
from shared.monitors.target import deployment_of
from shared.resources.collection_window import KIND
from shared.resources.declared import DeclaredSpec
from shared.resources.monitor import MonitorDeclaration
from shared.resources.search import field_term


async def list_collection_windows(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Hours of collected data that are sketched, newest first; those of a monitor's deployment with `monitor`."""
    terms: tuple[str, ...] = ()
    if name := request.query.get("monitor", ""):
        monitor = await plane.monitor_runs.monitor(name)
        declared = MonitorDeclaration.model_validate(DeclaredSpec.model_validate(monitor.spec).declaration)
        terms = (field_term("deployment", deployment_of(declared)),)
    return await newest_first(request, plane, KIND, doc.CollectionWindow.of, terms)
