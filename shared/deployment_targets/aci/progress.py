"""What is so of an endpoint, read from its container group and the group's instance view."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.deployment_targets.aci.render import DEPLOYMENT, DIGEST, Group
from shared.deployment_targets.kubernetes.progress import HOPELESS
from shared.deployment_targets.kubernetes.workload import PORT
from shared.ports import ObservedDeployment, ObservedEndpoint

_FAILED = ("Failed", "Canceled", "Unhealthy")  # provisioning states that no waiting ends


def observed_endpoint(live: Group, digest: str) -> ObservedEndpoint:
    """The endpoint of this group; `digest` is that of what is desired, or the group's own."""
    deployment = observed(live, digest)
    address = live["properties"].get("ipAddress") or {}
    host = address.get("fqdn") or address.get("ip")
    uri = f"http://{host}:{PORT}/score" if host else ""
    return ObservedEndpoint(uri, bool(uri), deployments={live["tags"][DEPLOYMENT]: deployment})


def observed(live: Group, digest: str) -> ObservedDeployment:
    """Its one instance, and why it is not ready."""
    properties = live["properties"]
    provisioning = str(properties.get("provisioningState") or "")
    view: Mapping[str, Any] = (properties["containers"][0]["properties"].get("instanceView")) or {}
    state: Mapping[str, Any] = view.get("currentState") or {}
    restarts = int(view.get("restartCount") or 0)
    runs = provisioning == "Succeeded" and state.get("state") == "Running"
    return ObservedDeployment(
        ready=int(runs),
        restarts=restarts,
        failures=HOPELESS if provisioning in _FAILED else 0 if runs else restarts,
        problem="" if runs else _problem(provisioning, view, state),
        is_current=live["tags"].get(DIGEST) == digest,
    )


def _problem(provisioning: str, view: Mapping[str, Any], state: Mapping[str, Any]) -> str:
    """The newest warning, or else how its container ended; "" while it is on its way."""
    warnings = [each for each in view.get("events") or () if each.get("type") == "Warning"]
    if warnings:
        newest = max(warnings, key=lambda each: str(each.get("lastTimestamp") or ""))
        return ": ".join(str(newest[key]) for key in ("name", "message") if newest.get(key))
    ended = state if state.get("state") == "Terminated" else view.get("previousState") or {}
    if ended.get("state") == "Terminated":
        return f"its container ended: {ended.get('detailStatus') or 'Error'}, exit code {ended.get('exitCode', '?')}"
    return f"the group is {provisioning}" if provisioning in _FAILED else ""
