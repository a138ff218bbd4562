"""What people may set stays where it was set: in no other field, no other document, no shell."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.deployment_targets.aci.render import rendered as group_of
from shared.deployment_targets.kubernetes.jobs import job_manifest
from shared.deployment_targets.kubernetes.render import rendered
from shared.resources.aci_compute import AciCompute
from tests.doubles.cli import Cli
from tests.doubles.rest_api import Reply, Request, running_rest_api
from tests.unit.kubernetes.rules import broken
from tests.unit.kubernetes.samples import cluster, deployment, endpoint
from tests.unit.kubernetes.test_jobs import SPEC

HOSTILE = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40),
    st.sampled_from(
        [
            "$(SERVER_PORT) $$(HOME) $",
            "a: {b}\n---\nkind: Pod\n",
            '"},"securityContext":{"privileged":true},"x":{"',
            "'; rm -rf / #",
            "`id` $(id) ${IFS}",
            "!!python/object/apply:os.system [id]",
            "*anchor &anchor <<: *x",
            "{{ .Values.secret }}",
            "no",
            "1e3",
            "\u2028\u0085\r\n\t",
        ]
    ),
)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True)
ACI = AciCompute(
    name="aci",
    type="aci",
    resource_group_id="/subscriptions/s/resourceGroups/g",
    location="westeurope",
    subnet_id="/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/s",
    open_to_callers=True,
)


def shape(document: Any) -> Any:
    """The document without its texts."""
    if isinstance(document, dict):
        return {key: shape(value) for key, value in document.items()}
    if isinstance(document, list):
        return [shape(each) for each in document]
    return None if isinstance(document, str) else document


def environ_of(container: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in container["env"]}


@settings(max_examples=60, deadline=None)
@given(HOSTILE, HOSTILE.filter(bool), HOSTILE)
def test_values_change_no_shape_of_what_a_cluster_is_told(name: str, deployment_name: str, value: str) -> None:
    one = deployment(deployment_name, environ={"V": value})
    found = rendered(endpoint(one, name=name, weights={deployment_name: 100}), cluster(host="", gateway=None), {})
    plain = rendered(endpoint(deployment(environ={"V": "v"})), cluster(host="", gateway=None), {})
    assert shape(list(found)) == shape(list(plain))
    (workload,) = (each for each in found if each["kind"] == "Deployment")
    environ = environ_of(workload["spec"]["template"]["spec"]["containers"][0])
    assert environ["V"].replace("$$", "$") == value
    assert environ["V"].count("$") == 2 * value.count("$")  # nothing is expanded
    assert environ["SLIPWAY_SCORING_DEPLOYMENT"].replace("$$", "$") == deployment_name
    assert [fault for fault in broken(found) if "annotation" not in fault] == []
    assert list(yaml.safe_load_all(yaml.safe_dump_all(found))) == list(found)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(NAMES, HOSTILE, max_size=4), st.lists(HOSTILE, min_size=1, max_size=3))
def test_variables_and_arguments_of_a_job_stay_their_own(environ: dict[str, str], command: list[str]) -> None:
    own = {"SLIPWAY_JOB_FILES", "SLIPWAY_JOB_RESULT"}
    job = job_manifest(replace(SPEC, environ=environ, secrets={}, files={}, command=tuple(command)), cluster())
    (container,) = job["spec"]["template"]["spec"]["containers"]
    given_ = {name: value for name, value in environ_of(container).items() if name not in own}
    assert given_ == {name: value.replace("$", "$$") for name, value in environ.items() if name not in own}
    assert container["command"] == command  # a list: no shell reads it


@settings(max_examples=50, deadline=None)
@given(HOSTILE.filter(bool), HOSTILE)
def test_values_change_no_shape_of_a_container_group(deployment_name: str, value: str) -> None:
    group = group_of(endpoint(deployment(deployment_name, environ={"V": value})), ACI)
    plain = group_of(endpoint(deployment(environ={"V": "v"})), ACI)
    assert group is not None
    assert shape(group) == shape(plain)
    (container,) = group["properties"]["containers"]
    environ = {one["name"]: one["value"] for one in container["properties"]["environmentVariables"]}
    assert (environ["V"], environ["SLIPWAY_SCORING_DEPLOYMENT"]) == (value, deployment_name)
    assert json.loads(json.dumps(group)) == group


def test_what_is_rendered_is_read_back_as_it_was(tmp_path: Path) -> None:
    values = ["a: {b}\n---\nkind: Pod\n", "!!python/object/apply:os.system [id]", "\u2028\x1b[31m", "no", "0x10", "- x"]
    hostile = deployment(environ={f"V{number}": value for number, value in enumerate(values)})
    documents = list(rendered(endpoint(hostile, weights={"blue": 100}), cluster(), {}))

    def plan(request: Request) -> Reply | None:
        return Reply(200, {"documents": documents, "changes": []})

    with running_rest_api() as api:
        api.interpose = plan
        shown = Cli(api.url, tmp_path)("deployment", "render", "live")
    assert shown.exit_code == 0, shown.output
    assert list(yaml.safe_load_all(shown.stdout)) == documents
    assert "\x1b" not in shown.stdout
