"""What an infrastructure signal is judged by; pure."""

from __future__ import annotations

from shared.errors import Invalid, NotSupported
from shared.resources.monitor import InfrastructureSignal


def limits_of(signal: InfrastructureSignal, deployment: str) -> dict[str, float]:
    """Its thresholds by metric; {} shows everything and judges nothing. Raises NotSupported without a deployment of
    this control plane, and Invalid for an alert that could never come."""
    if not deployment:
        raise NotSupported(
            "the monitor names no deployment of this control plane, whose figures could be read",
            remedy="name one: endpoint_deployment_id: azureml:ENDPOINT:DEPLOYMENT",
        )
    said = signal.metric_thresholds
    limits: dict[str, float] = said.model_dump(exclude_none=True) if said is not None else {}
    if signal.alert_enabled and not limits:
        raise Invalid("it alerts, and has no threshold to be beyond", remedy="give metric_thresholds")
    return limits
