"""What a monitor watches; pure."""

from __future__ import annotations

from shared.resources.declared import deployment_name
from shared.resources.monitor import MonitorDeclaration
from shared.resources.references import AssetReference, parse_reference


def deployment_of(monitor: MonitorDeclaration) -> str:
    """The resource's name of the deployment that is monitored, ENDPOINT.DEPLOYMENT; "" where none is, and for one that
    is elsewhere."""
    target = monitor.create_monitor.monitoring_target
    said = (target.endpoint_deployment_id if target else None) or ""
    if not said.startswith("azureml:"):
        return ""
    try:
        found = parse_reference(said)
    except ValueError:
        return ""
    if not isinstance(found, AssetReference) or found.registry:
        return ""
    return deployment_name(found.name, found.version or "")
