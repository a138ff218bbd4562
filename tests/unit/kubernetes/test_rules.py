"""The rules that schemas miss are really looked at: manifests that break one are found, each by its own words."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from shared.deployment_targets.kubernetes.jobs import job_manifest
from shared.deployment_targets.kubernetes.names import object_name
from shared.deployment_targets.kubernetes.render import rendered
from shared.errors import Invalid
from tests.unit.kubernetes import samples
from tests.unit.kubernetes.rules import broken
from tests.unit.kubernetes.samples import cluster, deployment, endpoint, everything
from tests.unit.kubernetes.test_jobs import SPEC

Objects = dict[tuple[str, str], dict[str, Any]]
BLUE, GREEN, RED, LIVE = (object_name("live", *name) for name in (("blue",), ("green",), ("red",), ()))
MANIFESTS = {(one["kind"], one["metadata"]["name"]): one for one in rendered(everything(), cluster(), samples.CODE)}


def container(objects: Objects, name: str = BLUE) -> dict[str, Any]:
    found: dict[str, Any] = objects["Deployment", name]["spec"]["template"]["spec"]["containers"][0]
    return found


def weighted(objects: Objects) -> dict[str, Any]:
    found: dict[str, Any] = objects["HTTPRoute", LIVE]["spec"]["rules"][-1]
    return found


def put(place: Callable[[Objects], Any], **values: Any) -> Callable[[Objects], None]:
    return lambda objects: place(objects).update(values)


SERVICE, ROUTE = ("Service", BLUE), ("HTTPRoute", LIVE)
BREAKS: dict[str, tuple[Callable[[Objects], Any], str]] = {
    "a name with an underscore": (put(lambda o: o[SERVICE]["metadata"], name="a_b"), "name"),
    "a name of 64 characters": (put(lambda o: o[SERVICE]["metadata"], name="a" * 64), "name"),
    "a name that begins with a digit": (put(lambda o: o[SERVICE]["metadata"], name="1a"), "name"),
    "a label with a space": (put(lambda o: o[SERVICE]["metadata"]["labels"], team="a b"), "label"),
    "a label's value of 64 characters": (put(lambda o: o[SERVICE]["metadata"]["labels"], team="a" * 64), "label"),
    "an annotation's key": (put(lambda o: o[SERVICE]["metadata"]["annotations"], **{"a b": ""}), "annotation"),
    "annotations of a megabyte": (put(lambda o: o[SERVICE]["metadata"]["annotations"], a="x" * 2**20), "annotations"),
    "a selector that its pods do not match": (
        put(lambda o: o["Deployment", BLUE]["spec"]["selector"]["matchLabels"], a="b"),
        "its selector does not match its pods",
    ),
    "a service of no pods": (put(lambda o: o[SERVICE]["spec"], selector={"a": "b"}), "its selector matches no pod"),
    "a service without a port": (put(lambda o: o[SERVICE]["spec"], ports=[]), "its port"),
    "port 0 of a service": (put(lambda o: o[SERVICE]["spec"]["ports"][0], port=0), "its port"),
    "a target port of no container": (put(lambda o: o[SERVICE]["spec"]["ports"][0], targetPort="x"), "a target port"),
    "port 65536 of a container": (put(lambda o: container(o)["ports"][0], containerPort=65536), "port"),
    "a port's name in capitals": (put(lambda o: container(o)["ports"][0], name="HTTP"), "port"),
    "a port's name of 16 characters": (put(lambda o: container(o)["ports"][0], name="a" * 16), "port"),
    "a port's name of digits": (put(lambda o: container(o)["ports"][0], name="80"), "port"),
    "a probe of no port": (put(lambda o: container(o)["livenessProbe"]["httpGet"], port="x"), "asks a port"),
    "liveness that has to succeed twice": (put(lambda o: container(o)["livenessProbe"], successThreshold=2), "success"),
    "no quantity": (put(lambda o: container(o)["resources"]["requests"], cpu="half"), "is no quantity"),
    "a quantity in K": (put(lambda o: container(o)["resources"]["requests"], memory="1K"), "is no quantity"),
    "a negative quantity": (put(lambda o: container(o)["resources"]["requests"], cpu="-1"), "is no quantity"),
    "a request above its limit": (
        put(lambda o: container(o)["resources"], requests={"cpu": "2"}, limits={"cpu": "1500m"}),
        "requests more cpu than its limit",
    ),
    "a part of a GPU": (
        put(lambda o: container(o)["resources"], requests={"nvidia.com/gpu": "1"}, limits={"nvidia.com/gpu": "2"}),
        "can't be shared",
    ),
    "a variable twice": (lambda o: container(o)["env"].append(container(o)["env"][0]), "names of variables"),
    "a variable with a hyphen": (put(lambda o: container(o)["env"][0], name="A-B"), "names of variables"),
    "a volume that nobody mounts": (lambda o: container(o)["volumeMounts"].pop(), "mounts and volumes differ"),
    "code that leads out": (
        put(lambda o: _volume(o, "code")["configMap"]["items"][0], path="../a"),
        "a path leads out of its volume",
    ),
    "a key of a Secret that is not there": (
        put(lambda o: _volume(o, "keys")["secret"]["items"][0], key="other"),
        "Secret has not the items",
    ),
    "no service account": (lambda o: o.pop(("ServiceAccount", LIVE)), "its service account is not there"),
    "a key with a slash": (put(lambda o: o["Secret", LIVE]["data"], **{"a/b": ""}), "key"),
    "an autoscaler of none": (
        put(lambda o: o["HorizontalPodAutoscaler", RED]["spec"]["scaleTargetRef"], name="x"),
        "scales what is not there",
    ),
    "two that set replicas": (put(lambda o: o["Deployment", RED]["spec"], replicas=1), "sets replicas itself"),
    "more at least than at most": (put(lambda o: o["HorizontalPodAutoscaler", RED]["spec"], minReplicas=9), "bounds"),
    "a budget of no pods": (
        put(lambda o: o["PodDisruptionBudget", GREEN]["spec"]["selector"]["matchLabels"], a="b"),
        "its selector matches no pod",
    ),
    "a policy of no pods": (
        put(lambda o: o["NetworkPolicy", LIVE]["spec"]["podSelector"]["matchLabels"], a="b"),
        "its selector matches no pod",
    ),
    "a backend that is no service": (put(lambda o: weighted(o)["backendRefs"][0], name="x"), "is no service"),
    "a backend's other port": (put(lambda o: weighted(o)["backendRefs"][0], port=81), "is no service"),
    "a weight below 0": (put(lambda o: weighted(o)["backendRefs"][0], weight=-1), "a weight"),
    "copies by percent and fraction": (
        put(lambda o: weighted(o)["filters"][0]["requestMirror"], fraction={"numerator": 1}),
        "only one of percent or fraction",
    ),
    "101 percent": (put(lambda o: weighted(o)["filters"][0]["requestMirror"], percent=101), "a percent"),
    "a path without /": (put(lambda o: weighted(o)["matches"][0]["path"], value="score"), "a path without /"),
    "a time-out in fractions": (put(lambda o: weighted(o)["timeouts"], request="1.5s"), "a time-out"),
    "17 rules": (lambda o: o[ROUTE]["spec"]["rules"].extend([weighted(o)] * 13), "too many rules"),
    "a host in capitals": (put(lambda o: o[ROUTE]["spec"], hostnames=["Live.example"]), "a host name"),
    "a host with a label of 64": (put(lambda o: o[ROUTE]["spec"], hostnames=["a" * 64 + ".example"]), "a host name"),
}


def _volume(objects: Objects, name: str) -> dict[str, Any]:
    volumes = objects["Deployment", GREEN]["spec"]["template"]["spec"]["volumes"]
    found: dict[str, Any] = next(each for each in volumes if each["name"] == name)
    return found


@pytest.mark.parametrize("what", list(BREAKS))
def test_a_broken_rule_is_found(what: str) -> None:
    objects = copy.deepcopy(MANIFESTS)
    assert broken(list(objects.values())) == []
    break_it, said = BREAKS[what]
    break_it(objects)
    assert any(said in fault for fault in broken(list(objects.values()))), broken(list(objects.values()))


def test_a_job_that_breaks_a_rule_is_found() -> None:
    job = job_manifest(SPEC, cluster())
    assert broken([job]) == [f"Job/{job['metadata']['name']}: a volume that is not there"]


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        ({"requests": {"cpu": "half"}}, "no amount of cpu"),
        ({"limits": {"memory": "1K"}}, "no amount of memory"),
        ({"requests": {"cpu": "2"}, "limits": {"cpu": "1500m"}}, "more cpu is requested"),
        ({"requests": {"nvidia.com/gpu": "2"}, "limits": {"nvidia.com/gpu": "1"}}, "more nvidia.com/gpu is requested"),
    ],
)
def test_resources_that_a_cluster_refuses_are_refused_before(resources: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid) as refused:
        rendered(endpoint(deployment(container=resources)), cluster(), {})
    assert said in str(refused.value.faults[0])


def test_what_can_not_be_shared_has_its_request_as_limit() -> None:
    manifests = rendered(endpoint(deployment(container={"requests": {"nvidia.com/gpu": "1"}})), cluster(), {})
    assert broken(manifests) == []
