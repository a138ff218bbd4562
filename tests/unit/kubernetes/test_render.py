"""What is applied for an endpoint: valid for the newest Kubernetes, locked down, and as declared."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.deployment_targets.kubernetes.names import object_name
from shared.deployment_targets.kubernetes.render import KINDS, rendered
from shared.deployment_targets.kubernetes.route import MAX_RULES, duration, uri_of
from shared.errors import Invalid, NotSupported
from tests.unit.kubernetes import samples
from tests.unit.kubernetes.pod_security import violations
from tests.unit.kubernetes.rules import broken
from tests.unit.kubernetes.samples import cluster, deployment, endpoint, everything

VERSIONS = ("1.35", "1.36", "1.37")  # the three newest
GATEWAY_API = Path(os.environ.get("SLIPWAY_TEST_GATEWAY_API", "../shared/reference/gateway-api-v1.4.1"))


def by_kind(manifests: Any) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for each in manifests:
        found.setdefault(each["kind"], []).append(each)
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_keeps_the_schemas_of_the_newest_versions(version: str) -> None:
    more = {"workload_identity_client_id": "0" * 36, "image_pull_secrets": ["pull"], "allow_https_egress": True}
    for each in rendered(everything(), cluster(**more), samples.CODE):
        if each["kind"] != "HTTPRoute":
            assert kubernetes_validate.validate(each, version, strict=True) == version


def test_the_route_keeps_the_gateway_apis_own_schema() -> None:
    path = GATEWAY_API / "gateway.networking.k8s.io_httproutes.yaml"
    if not path.exists():
        pytest.skip(f"{path} is not there: set SLIPWAY_TEST_GATEWAY_API to a folder with the CRDs")
    versions = yaml.safe_load(path.read_text())["spec"]["versions"]
    schema = next(each for each in versions if each["name"] == "v1")["schema"]["openAPIV3Schema"]
    (route,) = by_kind(rendered(everything(), cluster(), samples.CODE))["HTTPRoute"]
    jsonschema.Draft202012Validator(_closed(schema)).validate(route)


def _closed(schema: Any) -> Any:
    """Unknown fields are refused, as an API server does under server-side apply."""
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items() if key not in ("properties", "metadata")}
    if "properties" in schema:
        closed["properties"] = {
            name: {"type": "object"} if name == "metadata" else _closed(value)
            for name, value in schema["properties"].items()
        }
        closed["additionalProperties"] = False
    return closed


def test_rules_that_schemas_miss_are_kept_and_every_kind_is_there() -> None:
    manifests = rendered(everything(), cluster(), samples.CODE)
    assert broken(manifests) == []
    assert list(by_kind(manifests)) == list(KINDS)  # in the order of applying
    assert rendered(endpoint(), cluster(), {}) == ()


def test_pods_satisfy_pod_securitys_restricted_with_a_read_only_root() -> None:
    for each in by_kind(rendered(everything(), cluster(), samples.CODE))["Deployment"]:
        pod = each["spec"]["template"]["spec"]
        assert violations(pod) == []
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["automountServiceAccountToken"] is False


BREAKS: dict[str, dict[str, Any]] = {
    "hostPID": {"hostPID": True},
    "volume hostPath": {"volumes": [{"name": "x", "hostPath": {"path": "/"}}]},
    "sysctl kernel.x": {"securityContext": {"sysctls": [{"name": "kernel.x"}]}},
    "runAsUser 0": {"securityContext": {"runAsUser": 0}},
    "AppArmor": {"securityContext": {"appArmorProfile": {"type": "Unconfined"}}},
    "SELinux type": {"securityContext": {"seLinuxOptions": {"type": "spc_t"}}},
    "runAsNonRoot": {"securityContext": {"runAsNonRoot": False}},
    "seccomp": {"securityContext": {"seccompProfile": {"type": "Unconfined"}}},
    "privileged": {"initContainers": [{"securityContext": {"privileged": True}}]},
    "allowPrivilegeEscalation": {"containers": [{}]},
    "capabilities that stay": {"containers": [{"securityContext": {"capabilities": {"drop": ["CHOWN"]}}}]},
    "capabilities that are added": {"containers": [{"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}]},
    "procMount": {"containers": [{"securityContext": {"procMount": "Unmasked"}}]},
    "a root file system that can be written to": {"containers": [{}]},
    "a port of the host": {"containers": [{"ports": [{"hostPort": 80}]}]},
    "a probe of another host": {"containers": [{"livenessProbe": {"httpGet": {"host": "x"}}}]},
    "a hook to another host": {"containers": [{"lifecycle": {"preStop": {"tcpSocket": {"host": "x"}}}}]},
}


@pytest.mark.parametrize("control", list(BREAKS))
def test_each_control_of_pod_security_is_looked_at(control: str) -> None:
    workload, *_ = by_kind(rendered(everything(), cluster(), samples.CODE))["Deployment"]
    assert control in violations({**workload["spec"]["template"]["spec"], **BREAKS[control]})


def test_traffic_goes_by_weight_by_header_and_in_copies() -> None:
    (route,) = by_kind(rendered(everything(), cluster(), samples.CODE))["HTTPRoute"]
    *named, weighted = route["spec"]["rules"]
    headers = [{each["headers"][0]["value"] for each in rule["matches"]} for rule in named]
    assert headers == [{"blue"}, {"green"}, {"red"}]
    shares = {each["name"]: each["weight"] for each in weighted["backendRefs"]}
    assert shares == {object_name("live", "blue"): 90, object_name("live", "green"): 10}
    (mirror,) = weighted["filters"]
    assert mirror["requestMirror"]["percent"] == 25
    assert mirror["requestMirror"]["backendRef"]["name"] == object_name("live", "red")
    assert uri_of("live", cluster()) == "https://live.models.example/score"
    quiet = endpoint(deployment())
    rules = by_kind(rendered(quiet, cluster(), {}))["HTTPRoute"][0]["spec"]["rules"]
    assert len(rules) == 1  # no default: what has no traffic gets none


def test_values_of_people_stay_values() -> None:
    hostile = deployment(environ={"A": "$(SERVER_PORT) $$", "SERVER_PORT": "1", "B": "a: {b}\n---\nkind: Pod"})
    (workload,) = by_kind(rendered(endpoint(hostile), cluster(), {}))["Deployment"]
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    given_ = {each["name"]: each["value"] for each in container["env"]}
    assert (given_["A"], given_["SERVER_PORT"]) == ("$$(SERVER_PORT) $$$$", "5001")
    assert yaml.safe_load(yaml.safe_dump(workload)) == workload
    for name in ("A=B", "", "A-\0", "ä"):
        with pytest.raises(Invalid, match="environment variables"):
            rendered(endpoint(deployment(environ={name: "x"})), cluster(), {})


def test_keys_and_code_are_mounted() -> None:
    kinds = by_kind(rendered(everything(), cluster(), samples.CODE))
    (secret,) = kinds["Secret"]
    keys = json.loads(base64.b64decode(secret["data"]["keys.json"]))
    assert keys == {"primaryKey": "first-key", "secondaryKey": "second-key"}
    (code,) = kinds["ConfigMap"]
    assert base64.b64decode(next(iter(code["binaryData"].values()))) == samples.SCRIPT
    green = next(each for each in kinds["Deployment"] if each["metadata"]["name"] == object_name("live", "green"))
    volume = next(each for each in green["spec"]["template"]["spec"]["volumes"] if each["name"] == "code")
    assert [each["path"] for each in volume["configMap"]["items"]] == ["src/score.py"]
    assert "first-key" not in json.dumps([each for each in kinds["Deployment"]])


def test_an_instance_type_gives_nodes_and_amounts() -> None:
    types = {"gpu": {"node_selector": {"pool": "gpu"}, "requests": {"cpu": "2"}, "limits": {"nvidia.com/gpu": "1"}}}
    one = deployment(container={"instance_type": "gpu", "limits": {"memory": "128Mi"}})
    manifests = rendered(endpoint(one), cluster(instance_types=types), {})
    pod = by_kind(manifests)["Deployment"][0]["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"pool": "gpu"}
    requests = pod["containers"][0]["resources"]["requests"]
    assert requests == {"cpu": "2", "memory": "128Mi"}  # a default never exceeds a limit
    assert broken(manifests) == []
    with pytest.raises(Invalid, match="no instance type 'tpu'"):
        rendered(endpoint(deployment(container={"instance_type": "tpu"})), cluster(), {})


def test_what_a_route_cannot_do_is_said() -> None:
    with pytest.raises(NotSupported, match="keeps no caller"):
        rendered(endpoint(deployment(), sticky_header="user"), cluster(), {})
    many = [deployment(f"d{number}") for number in range(MAX_RULES)]
    with pytest.raises(Invalid, match="16 deployments"):
        rendered(endpoint(*many), cluster(), {})
    with pytest.raises(NotSupported, match="no keys"):  # nobody is let in because nothing was said
        rendered(endpoint(deployment()), cluster(open_to_callers=False), {})
    assert rendered(everything(), cluster(open_to_callers=False), samples.CODE)
    with pytest.raises(Invalid, match="no image"):
        rendered(endpoint(deployment(container={"image": ""})), cluster(), {})


NAMES = st.from_regex(r"[a-zA-Z]([-a-zA-Z0-9_]{0,62}[a-zA-Z0-9])?", fullmatch=True)


@given(NAMES.filter(lambda name: "_" not in name and 3 <= len(name) <= 32), st.sets(NAMES, min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
def test_any_declared_name_gives_objects_that_are_told_apart(name: str, deployments: set[str]) -> None:
    found = endpoint(*(deployment(each) for each in sorted(deployments)), name=name, weights={min(deployments): 100})
    manifests = rendered(found, cluster(), {})
    assert broken(manifests) == []
    keys = [(each["kind"], each["metadata"]["name"]) for each in manifests]
    assert len(keys) == len(set(keys))


def test_names_that_look_alike_differ() -> None:
    assert object_name("a-b", "c") != object_name("a", "b-c")
    assert object_name("Live") != object_name("live")


@pytest.mark.parametrize(("milliseconds", "text"), [(1, "1ms"), (5000, "5s"), (180_000, "3m"), (61_500, "1m1s500ms")])
def test_durations_have_at_most_five_digits(milliseconds: int, text: str) -> None:
    assert duration(milliseconds) == text
