"""What a declaration's scale_settings become: how many pods there are, and by what they are measured."""

from __future__ import annotations

from typing import Any

import pytest

from shared.deployment_targets.kubernetes.render import rendered
from shared.deployments.compute import container_desired
from shared.ports import DesiredDeployment
from tests.unit.kubernetes.rules import broken
from tests.unit.kubernetes.samples import IMAGE, cluster, deployment, endpoint

CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}


def declared(**said: Any) -> DesiredDeployment:
    """A deployment whose declaration says that of its container."""
    found = container_desired({"type": "kubernetes", **said}, IMAGE)
    fields = ("image", "requests", "limits", "instance_type", "autoscale", "max_concurrent")
    return deployment(container={name: getattr(found, name) for name in fields})


def scaled(**settings: Any) -> DesiredDeployment:
    return declared(scale_settings={"type": "target_utilization", **settings})


def objects(one: DesiredDeployment, **compute: Any) -> dict[str, Any]:
    manifests = rendered(endpoint(one, weights={"blue": 100}), cluster(**compute), {})
    assert broken(manifests) == []
    return {each["kind"]: each["spec"] for each in manifests if "spec" in each}


@pytest.mark.parametrize(
    ("settings", "bounds"),
    [
        ({}, (1, 1)),
        ({"min_instances": 2, "max_instances": 5}, (2, 5)),
        ({"min_instances": 0, "max_instances": 3}, (1, 3)),  # none only behind a feature gate
        ({"min_instances": 4, "max_instances": 2}, (4, 4)),  # what an API server would refuse
    ],
)
def test_bounds_are_those_that_were_declared(settings: dict[str, int], bounds: tuple[int, int]) -> None:
    found = objects(scaled(**settings))
    scaler = found["HorizontalPodAutoscaler"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == bounds
    assert scaler["metrics"] == [CPU]
    assert "replicas" not in found["Deployment"]  # or each look would set them back
    assert ("PodDisruptionBudget" in found) == (bounds[0] > 1)  # which would hold the node of a single pod for ever


@pytest.mark.parametrize(
    ("percent", "at_once", "value"), [(70, 1, "700m"), (50, 2, "1"), (70, 4, "2800m"), (100, 10, "10"), (1, 1, "10m")]
)
def test_instances_follow_requests_under_way_where_there_is_a_metric(percent: int, at_once: int, value: str) -> None:
    one = declared(
        scale_settings={"type": "target_utilization", "target_utilization_percentage": percent},
        request_settings={"max_concurrent_requests_per_instance": at_once},
    )
    (metric,) = objects(one, in_flight_metric="slipway_scoring_in_flight")["HorizontalPodAutoscaler"]["metrics"]
    assert metric["pods"]["metric"] == {"name": "slipway_scoring_in_flight"}
    assert metric["pods"]["target"] == {"type": "AverageValue", "averageValue": value}


@pytest.mark.parametrize("said", [{}, {"scale_settings": {"type": "default"}}])
def test_a_fixed_number_has_no_autoscaler(said: dict[str, Any]) -> None:
    found = objects(declared(**said))
    assert "HorizontalPodAutoscaler" not in found
    assert found["Deployment"]["replicas"] == 1
