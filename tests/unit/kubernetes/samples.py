"""Endpoints and clusters to render."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from shared.ports import Autoscale, ContainerDesired, DesiredDeployment, DesiredEndpoint, EndpointAccess
from shared.resources.compute import KubernetesCompute
from shared.resources.model import ModelFile

SCRIPT = b"def init(): ...\ndef run(data): return data\n"
IMAGE = "registry.example/models/diabetes@sha256:" + "1" * 64
GATEWAY = {"name": "approuting", "namespace": "app-routing-system"}


def cluster(**more: Any) -> KubernetesCompute:
    return KubernetesCompute.model_validate(
        {
            "name": "k8s",
            "type": "kubernetes",
            "gateway": GATEWAY,
            "host": "{endpoint}.models.example",
            "open_to_callers": True,
            **more,
        }
    )


def deployment(name: str = "blue", *, container: dict[str, Any] | None = None, **more: Any) -> DesiredDeployment:
    return DesiredDeployment(
        **{
            "name": name,
            "model_name": "diabetes",
            "model_version": "1",
            "files": (),
            "code": (),
            "entry_script": "",
            "environment_location": "",
            "packages": (),
            "instances": 1,
            "environ": {},
            "request_timeout_ms": 5000,
            "container": ContainerDesired(**{"image": IMAGE, **(container or {})}),
            **more,
        }
    )


def scripted(name: str = "green") -> DesiredDeployment:
    file = ModelFile(path="src/score.py", size_bytes=len(SCRIPT), sha256=hashlib.sha256(SCRIPT).hexdigest())
    return replace(deployment(name), code=(file,), entry_script="src/score.py", instances=3)


def autoscaled(name: str = "red") -> DesiredDeployment:
    scale = Autoscale(min_instances=2, max_instances=5, target_percent=70)
    return deployment(name, container={"autoscale": scale, "max_concurrent": 4, "requests": {"cpu": "0.5"}})


async def read_file(sha256: str) -> AsyncIterator[bytes]:
    assert sha256 == hashlib.sha256(SCRIPT).hexdigest()
    yield SCRIPT


def endpoint(*deployments: DesiredDeployment, name: str = "live", **more: Any) -> DesiredEndpoint:
    parts = {"weights": {}, "mirror": {}, "sticky_header": "", "read_file": read_file, **more}
    return DesiredEndpoint(name, deployments, **parts)


def everything() -> DesiredEndpoint:
    """With every kind of object."""
    return endpoint(
        deployment("blue", environ={"A": "$(B)", "C": '"\n- x: {{}}'}),
        scripted("green"),
        autoscaled("red"),
        weights={"blue": 90, "green": 10, "red": 0},
        mirror={"red": 25},
        access=EndpointAccess("key", keys=("first-key", "second-key")),
    )


CODE = {hashlib.sha256(SCRIPT).hexdigest(): SCRIPT}
