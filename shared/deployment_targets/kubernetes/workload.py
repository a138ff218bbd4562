"""A deployment's Kubernetes Deployment: pods that satisfy Pod Security's `restricted` with a read-only root."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from shared.deployment_targets.kubernetes.code import CODE_PATH, code_volume
from shared.deployment_targets.kubernetes.comparison import amount
from shared.deployment_targets.kubernetes.names import DIGEST, INSTANCE, Manifest, metadata, object_name
from shared.errors import Fault, Invalid
from shared.ports import ContainerDesired, DesiredDeployment, DesiredEndpoint, ProbeTiming
from shared.resources.compute import Cluster, InstanceType

PORT = 5001  # Azure ML's for inference servers, and what packaged images listen on
PORT_NAME = "http"
CONTAINER = "server"
USER = 65532  # "nonroot" of the distroless images, as in packaged ones
KEYS_PATH = "/var/run/slipway/keys"
KEYS_FILE = "keys.json"
DRAIN_S = 30  # the scoring server's own time to finish after SIGTERM
DEREGISTER_S = 5  # until gateways know that a pod goes
START_LIMIT_S = 600  # how long a server may load its model
TMP_LIMIT = "256Mi"
WORKLOAD_IDENTITY = "azure.workload.identity/use"  # label: Microsoft Entra Workload ID's webhook looks at such pods
_COLLECTIONS, _COLLECT_URL = "SLIPWAY_SCORING_COLLECTIONS", "SLIPWAY_SCORING_COLLECT_URL"
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def workload(one: DesiredDeployment, endpoint: DesiredEndpoint, cluster: Cluster) -> Manifest:
    """The Deployment (apps/v1). Without `replicas` where an autoscaler sets them. Raises Invalid for what no container
    can have."""
    container = container_of(one)
    name = object_name(endpoint.name, one.name)
    said = metadata(name, endpoint, cluster.namespace, cluster.owner, one.name)
    pod = _pod(one, container, endpoint, cluster)
    digest = digest_of(pod)
    labels = dict(said["labels"])
    if cluster.workload_identity_client_id:
        labels[WORKLOAD_IDENTITY] = "true"
    spec: dict[str, Any] = {
        "selector": {"matchLabels": {INSTANCE: name}},
        "progressDeadlineSeconds": START_LIMIT_S,
        "revisionHistoryLimit": 3,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "template": {
            "metadata": {"labels": labels, "annotations": {**said["annotations"], DIGEST: digest}},
            "spec": pod,
        },
    }
    if container.autoscale is None:
        spec["replicas"] = one.instances
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": said, "spec": spec}


def container_of(one: DesiredDeployment) -> ContainerDesired:
    """What is said of its container. Raises Invalid where nothing is."""
    if one.container is None or not one.container.image:
        raise Invalid(f"the deployment {one.name} has no image", remedy="give it a model and an environment")
    return one.container


def digest_of(document: Mapping[str, Any]) -> str:
    """SHA-256 of its canonical JSON, the first 16 characters."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]


def pod_security() -> dict[str, Any]:
    """A pod's part of Pod Security Standards, `restricted`."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> dict[str, Any]:
    """A container's part of it, with a read-only root file system."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def _pod(
    one: DesiredDeployment, container: ContainerDesired, endpoint: DesiredEndpoint, cluster: Cluster
) -> dict[str, Any]:
    name = object_name(endpoint.name, one.name)
    volumes: list[dict[str, Any]] = [{"name": "tmp", "emptyDir": {"sizeLimit": TMP_LIMIT}}]
    mounts: list[dict[str, Any]] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 - of the container
    if one.entry_script:
        volumes.append({"name": "code", "configMap": code_volume(one, name)})
        mounts.append({"name": "code", "mountPath": CODE_PATH, "readOnly": True})
    if endpoint.keys:
        secret = {"secretName": object_name(endpoint.name), "items": [{"key": KEYS_FILE, "path": KEYS_FILE}]}
        volumes.append({"name": "keys", "secret": {**secret, "defaultMode": 0o440}})
        mounts.append({"name": "keys", "mountPath": KEYS_PATH, "readOnly": True})
    pod: dict[str, Any] = {
        "serviceAccountName": object_name(endpoint.name),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": DRAIN_S + DEREGISTER_S,
        "securityContext": pod_security(),
        "topologySpreadConstraints": [
            _spread(key, name) for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
        ],
        "containers": [_container(one, container, endpoint, cluster, mounts)],
        "volumes": volumes,
    }
    if cluster.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": each} for each in cluster.image_pull_secrets]
    if container.instance_type and (selector := _instance_type(container, cluster).node_selector):
        pod["nodeSelector"] = dict(sorted(selector.items()))
    return pod


def _spread(key: str, name: str) -> dict[str, Any]:
    return {
        "maxSkew": 1,
        "topologyKey": key,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {INSTANCE: name}},
    }


def _container(
    one: DesiredDeployment,
    container: ContainerDesired,
    endpoint: DesiredEndpoint,
    cluster: Cluster,
    mounts: list[dict[str, Any]],
) -> dict[str, Any]:
    return {
        "name": CONTAINER,
        "image": container.image,
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": PORT_NAME, "containerPort": PORT, "protocol": "TCP"}],
        "env": _environment(one, endpoint, cluster),
        "resources": _resources(container, cluster),
        "startupProbe": probe(ProbeTiming(0, 5, 2, 1, START_LIMIT_S // 5), "live", PORT_NAME, "HTTP"),
        "livenessProbe": probe(container.liveness, "live", PORT_NAME, "HTTP"),
        "readinessProbe": probe(container.readiness, "ready", PORT_NAME, "HTTP"),
        "lifecycle": {"preStop": {"sleep": {"seconds": DEREGISTER_S}}},
        "securityContext": container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounts,
    }


def server_environment(one: DesiredDeployment, endpoint: DesiredEndpoint) -> dict[str, str]:
    """The variables of a deployment's server; Slipway's own cannot be overridden. Raises Invalid."""
    faults = tuple(
        Fault(f"{name[:80]!r} is no name or no value of an environment variable", f"/environment_variables/{name[:80]}")
        for name, value in one.environ.items()
        if not _ENV_NAME.fullmatch(name) or "\0" in value
    )
    if faults:
        raise Invalid("the environment variables can't be given to a container", faults=faults)
    own = {
        "SERVER_PORT": str(PORT),
        "SLIPWAY_SCORING_ENDPOINT": endpoint.name,
        "SLIPWAY_SCORING_DEPLOYMENT": one.name,
        "SCORING_TIMEOUT_MS": str(one.request_timeout_ms),
    }
    if one.model_version:
        own["SLIPWAY_SCORING_MODEL_VERSION"] = one.model_version
    if one.entry_script:
        own |= {"AML_APP_ROOT": CODE_PATH, "AZUREML_ENTRY_SCRIPT": one.entry_script}
    if endpoint.keys:
        own["SLIPWAY_SCORING_KEYS_FILE"] = f"{KEYS_PATH}/{KEYS_FILE}"
    return {**one.environ, **own}


def _environment(one: DesiredDeployment, endpoint: DesiredEndpoint, cluster: Cluster) -> list[dict[str, str]]:
    """Sorted by name. A `$` is doubled: `$(NAME)` in a value would be expanded (Kubernetes, EnvVar.value)."""
    found = server_environment(one, endpoint)
    if cluster.collect_url and _COLLECTIONS in found:
        found.setdefault(_COLLECT_URL, cluster.collect_url)
    return [{"name": name, "value": value.replace("$", "$$")} for name, value in sorted(found.items())]


def _resources(container: ContainerDesired, cluster: Cluster) -> dict[str, Any]:
    kind = _instance_type(container, cluster)
    requests = {**cluster.default_requests, **kind.requests, **container.requests}
    limits = {**kind.limits, **container.limits}
    for name, most in limits.items():  # the API server refuses a request above its limit; what was not asked for yields
        if name in requests and name not in container.requests and name not in kind.requests:
            requests[name] = most
    for name in requests:  # such as GPUs: what can't be shared has the same limit
        if "/" in name:
            limits.setdefault(name, requests[name])
    _check_amounts(requests, limits)
    return {"requests": dict(sorted(requests.items())), **({"limits": dict(sorted(limits.items()))} if limits else {})}


def _check_amounts(requests: Mapping[str, str], limits: Mapping[str, str]) -> None:
    """Raises Invalid for what is no Kubernetes quantity, and for a request above its limit."""
    faults = []
    for name, said in (*requests.items(), *limits.items()):
        place = f"/resources/requests/{name[:80].replace('/', '~1')}"
        value, most = amount(said), amount(limits.get(name, said))
        if value is None or most is None:
            faults.append(Fault(f"{said[:40]!r} is no amount of {name[:80]}", place, allowed="500m, 2, 1.5Gi"))
        elif value > most:
            faults.append(Fault(f"more {name[:80]} is requested than its limit", place, allowed=limits[name][:40]))
    if faults:
        raise Invalid("no container can have these resources", faults=tuple(faults))


def _instance_type(container: ContainerDesired, cluster: Cluster) -> InstanceType:
    name = container.instance_type
    if not name:
        return InstanceType()
    if name not in cluster.instance_types:
        known = ", ".join(sorted(cluster.instance_types)) or "none"
        raise Invalid(
            f"the compute {cluster.name} has no instance type {name[:80]!r}",
            remedy=f"leave it out, or name one of its `instance_types`: {known}",
        )
    return cluster.instance_types[name]


def probe(timing: ProbeTiming, state: str, port: str | int, scheme: str) -> dict[str, Any]:
    """By the Open Inference Protocol's health routes (`state` is live or ready). For liveness Kubernetes takes a
    successThreshold of 1 only."""
    return {
        "httpGet": {"path": f"/v2/health/{state}", "port": port, "scheme": scheme},
        "initialDelaySeconds": timing.initial_delay_s,
        "periodSeconds": timing.period_s,
        "timeoutSeconds": timing.timeout_s,
        "successThreshold": timing.success_threshold if state == "ready" else 1,
        "failureThreshold": timing.failure_threshold,
    }
