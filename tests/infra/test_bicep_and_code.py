"""Bicep provides what the code uses, by the same names: settings, containers, queues, functions, events, roles."""

from __future__ import annotations

import inspect
import ipaddress
import json
import re
import subprocess
import sys
from typing import Any, get_args

import kubernetes_validate
import pytest
import yaml

from shared import collection_intake
from shared.adapters.azure import acr_runs, artifact_store, collected_data, resource_store
from shared.adapters.azure.cosmos_documents import CONTAINER
from shared.adapters.kubernetes.objects import JOBS
from shared.bootstrap.jobs import SERVICE_ACCOUNT
from shared.deployment_targets.kubernetes.jobs import job_manifest
from shared.deployment_targets.kubernetes.render import KINDS
from shared.events.types import BLOB_CREATED, IMAGE_PUSHED
from shared.local_host.watching import CONTAINERS
from shared.ports import Container, JobSpec
from shared.reactions import REACTIONS
from shared.resources.compute import AksCompute, GatewayReference, KubernetesCompute
from shared.settings import Settings, load_settings
from tests.infra.bicep_files import BICEP, MODULES, ROOT, Code, Declaration, read_bicep

SIZES: dict[str, Any] = json.loads((BICEP / "sizes.json").read_text())
FUNCTIONS = """
import json, function_app
print(json.dumps({f.get_function_name(): f.get_trigger().get_dict_repr() for f in function_app.app.get_functions()},
      default=str))
"""
# What a function app on Azure does not have, or the platform sets.
NOT_ON_AZURE = ("local:", "for tests")
BY_THE_PLATFORM = {"instance_id"}


@pytest.fixture(scope="module")
def functions() -> dict[str, dict[str, Any]]:
    """The triggers of the function app by the function's name."""
    done = subprocess.run(
        [sys.executable, "-c", FUNCTIONS], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return found


def variables(module: str) -> dict[str, Any]:
    return {name: each.value for name, each in read_bicep(MODULES / module).of("variable").items()}


def subscriptions() -> list[Declaration]:
    file = read_bicep(MODULES / "event-subscriptions.bicep")
    return [each for each in file.of("resource").values() if not each.existing]


def function_of(subscription: Declaration) -> str:
    target = subscription.value["properties"]["destination"]["properties"]["resourceId"]
    return str(target).strip("'").rpartition("/")[2]


def test_every_setting_is_provided_and_every_one_provided_is_read() -> None:
    given = variables("settings.bicep")
    names = {*given["tunable"], *given["wired"]}
    provided = {name for name in names if name.startswith("SLIPWAY_") and not name.startswith("SLIPWAY_QUEUE__")}
    read = {
        f"SLIPWAY_{name.upper()}"
        for name, each in Settings.model_fields.items()
        if not str(each.description).startswith(NOT_ON_AZURE) and name not in BY_THE_PLATFORM
    }
    assert provided == read


def test_values_that_can_be_changed_begin_as_the_codes_own() -> None:
    tunable = variables("settings.bicep")["tunable"]
    azure = {name: "https://a.example" for name in ("COSMOS_ENDPOINT", "BLOB_ACCOUNT_URL", "QUEUE_ACCOUNT_URL")}
    said = {"MODE": "azure", "EVENTGRID_ENDPOINT": "https://a.example", **azure}
    environ = {**{f"SLIPWAY_{name}": value for name, value in said.items()}, **tunable}
    loaded = load_settings(environ)
    for variable in tunable:
        name = variable.removeprefix("SLIPWAY_").lower()
        assert getattr(loaded, name) == Settings.model_fields[name].default, variable


def test_triggers_find_their_connection_and_their_queue(functions: dict[str, dict[str, Any]]) -> None:
    given = variables("settings.bicep")["wired"]
    queues = read_bicep(MODULES / "storage.bicep").of("resource")["queues"].items
    triggers = [each for each in functions.values() if each["type"] == "queueTrigger"]
    for trigger in triggers:
        assert f"{trigger['connection']}__queueServiceUri" in given
        name = re.sub(r"%(\w+)%", lambda match: str(given[match[1]]), trigger["queueName"])
        assert {name, f"{name}-poison"} <= set(queues or ())
    assert len(set(queues or ())) == len(triggers) + 1  # a poison queue is the queue of the next trigger


def test_every_container_of_blobs_is_there() -> None:
    containers = set(read_bicep(MODULES / "storage.bicep").of("resource")["containers"].items or ())
    used = {*get_args(Container), artifact_store.ARTIFACTS}
    (dead_letters,) = {
        read_bicep(MODULES / "event-subscriptions.bicep")
        .of("variable")["deadLetters"]
        .value["deadLetterDestination"]["properties"]["blobContainerName"]
    }
    assert containers == used | {dead_letters, collected_data.COLLECTED}
    rules = read_bicep(MODULES / "storage.bicep").of("resource")["lifecycle"].value["properties"]["policy"]["rules"]
    expiring = {prefix.rstrip("/") for rule in rules for prefix in rule["definition"]["filters"]["prefixMatch"]}
    assert expiring & used == set(), "a rule would delete the files of registered versions"


def test_the_cosmos_container_is_the_codes_own() -> None:
    resources = read_bicep(MODULES / "cosmos.bicep").of("resource")
    container = dict(resources["container"].value["properties"]["resource"])
    assert container.pop("id") == resource_store.DEFAULT_CONTAINER
    assert container == CONTAINER
    assert resources["database"].value["name"] == Settings.model_fields["cosmos_database"].default


def test_every_subscribed_function_exists_and_every_one_is_subscribed(functions: dict[str, dict[str, Any]]) -> None:
    subscribed = {function_of(each) for each in subscriptions()}
    assert subscribed == {name for name, trigger in functions.items() if trigger["type"] == "eventGridTrigger"}


def test_the_subscribed_events_are_those_that_the_code_takes() -> None:
    taken = {
        function_of(each): set(each.value["properties"]["filter"]["includedEventTypes"]) for each in subscriptions()
    }
    assert taken == {
        "storage_event": {BLOB_CREATED},
        "lifecycle_event": set(REACTIONS),
        "container_registry_event": {IMAGE_PUSHED},
    }


def test_no_event_is_lost_in_silence() -> None:
    file = read_bicep(MODULES / "event-subscriptions.bicep")
    for each in subscriptions():
        said = each.value["properties"]
        assert (said["retryPolicy"], said["deadLetterWithResourceIdentity"]) == ("deliveries", "deadLetters")
    deliveries = file.of("variable")["deliveries"].value
    assert deliveries == {"maxDeliveryAttempts": 30, "eventTimeToLiveInMinutes": 1440}  # the most that there is


def test_blobs_of_uploads_config_and_collected_data_are_announced_and_no_others() -> None:
    (filters,) = [e.value["properties"]["filter"] for e in subscriptions() if function_of(e) == "storage_event"]
    prefixes = filters["advancedFilters"][0]["values"]
    named = {prefix.removeprefix("/blobServices/default/containers/").rstrip("/") for prefix in prefixes}
    assert named == {"uploads", "config", collected_data.COLLECTED} == set(CONTAINERS)
    assert named <= {*get_args(Container), collection_intake.COLLECTED}


def test_always_ready_functions_exist(functions: dict[str, dict[str, Any]]) -> None:
    named = {each["name"] for size in SIZES.values() for each in size["functions"]["alwaysReady"]}
    assert named <= {"http"} | {f"function:{name}" for name in functions}


def test_alerts_and_the_workbook_ask_for_functions_that_exist(functions: dict[str, dict[str, Any]]) -> None:
    texts = [each["query"] for each in variables("log-alerts.bicep")["queries"]]
    workbook = json.loads((MODULES / "workbook.json").read_text())
    texts += [item["content"]["query"] for item in workbook["items"] if "query" in item["content"]]
    named = {name for text in texts if "operation_Name" in text for name in re.findall(r'"(\w+)"', text)}
    assert named
    assert named <= set(functions)


def test_the_cluster_is_described_as_the_code_reads_it() -> None:
    given = {name: each.value for name, each in read_bicep(BICEP / "main.bicep").of("variable").items()}
    samples = {
        "resource_id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c"
    }
    said = {**given["compute"], **given["gateway"], "open_to_callers": True, "workload_identity_client_id": "a" * 36}
    said["host"] = "{endpoint}.models.example.com"
    assert said["collect_url"] == f"'${{storage.outputs.blobUrl}}/{collected_data.COLLECTED}'"
    said["collect_url"] = "https://account.blob.core.windows.net/collected"
    compute = AksCompute.model_validate({**said, **samples})
    gateway = next(each for each in kubernetes_documents() if each["kind"] == "Gateway")
    assert compute.gateway == GatewayReference(
        name=gateway["metadata"]["name"], namespace=gateway["metadata"]["namespace"]
    )
    namespaces = {each["metadata"]["name"] for each in kubernetes_documents() if each["kind"] == "Namespace"}
    assert {compute.namespace, compute.gateway.namespace} <= namespaces


def kubernetes_documents() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((ROOT / "infra" / "kubernetes" / "namespace.yaml").read_text()))


def test_the_control_plane_may_apply_every_kind_in_its_namespace_and_no_other() -> None:
    (role,) = [each for each in kubernetes_documents() if each["kind"] == "Role"]
    writing = [rule for rule in role["rules"] if "create" in rule["verbs"]]
    allowed = {(group, resource) for rule in writing for group in rule["apiGroups"] for resource in rule["resources"]}
    plural = {"NetworkPolicy": "networkpolicies"}
    needed = {
        (version.rpartition("/")[0], plural.get(kind, f"{kind.lower()}s"))
        for kind, version in {**KINDS, JOBS: "batch/v1"}.items()
    }
    assert allowed == needed
    assert all("*" not in json.dumps(rule) for rule in role["rules"])


def test_jobs_act_as_the_service_account_that_the_identity_is_federated_with() -> None:
    (account,) = [each for each in kubernetes_documents() if each["kind"] == "ServiceAccount"]
    assert account["metadata"]["name"] == SERVICE_ACCOUNT
    module = read_bicep(BICEP / "main.bicep").of("module")["jobIdentity"].value["params"]
    assert module["serviceAccounts"] == [f"{account['metadata']['namespace']}:{SERVICE_ACCOUNT}"]
    assert module["identityName"] == "identities.outputs.jobsName"
    given = {
        (each.value["scope"], str(each.value["properties"]["roleDefinitionId"]).rpartition("ids.")[2].rstrip(")"))
        for each in read_bicep(MODULES / "roles.bicep").of("resource").values()
        if not each.existing and each.value["properties"].get("principalId") == "jobsId"
    }
    assert given == {(artifact_store.ARTIFACTS, "blobContributor"), (collected_data.COLLECTED, "blobReader")}


def test_pods_of_jobs_are_reached_by_nobody_and_reach_no_node() -> None:
    (policy,) = [each for each in kubernetes_documents() if each["kind"] == "NetworkPolicy"]
    assert kubernetes_validate.validate(policy, "1.35", strict=True) == "1.35"
    spec = policy["spec"]
    job = job_manifest(JobSpec("one", ("true",), "image"), KubernetesCompute(name="k", type="kubernetes"))
    template = job["spec"]["template"]["metadata"]
    assert [(one["key"] in template["labels"], one["operator"]) for one in spec["podSelector"]["matchExpressions"]] == [
        (True, "Exists")
    ]
    assert policy["metadata"]["namespace"] == job["metadata"]["namespace"]
    assert (spec["policyTypes"], spec["ingress"]) == (["Ingress", "Egress"], [])
    names, https = spec["egress"]
    assert {each["port"] for each in names["ports"]} == {53}
    assert [each["port"] for each in https["ports"]] == [443]
    metadata = ipaddress.ip_address("169.254.169.254")
    (block,) = [each["ipBlock"] for each in https["to"]]
    assert any(metadata in ipaddress.ip_network(each) for each in block["except"])


def test_the_image_builder_may_do_what_the_code_asks_for_and_no_more() -> None:
    (role,) = read_bicep(MODULES / "roles.bicep").resources("Microsoft.Authorization/roleDefinitions")
    actions = set(role.value["properties"]["permissions"][0]["actions"])
    source = inspect.getsource(acr_runs)
    posts = {"listBuildSourceUploadUrl": "", "scheduleRun": "", "cancel": "runs/", "listLogSasUrl": "runs/"}
    assert all(f"{post}" in source for post in posts)
    base = "Microsoft.ContainerRegistry/registries/"
    assert actions == {f"{base}{run}{post}/action" for post, run in posts.items()} | {f"{base}read", f"{base}runs/read"}


def test_every_role_has_its_reason_and_a_scope() -> None:
    path = MODULES / "roles.bicep"
    lines = path.read_text().splitlines()
    for each in read_bicep(path).of("resource").values():
        if each.existing:
            continue
        assert lines[each.node.start_point[0] - 1].startswith("// "), each.name
        if each.type.startswith("Microsoft.Authorization/roleAssignments"):
            assert isinstance(each.value["scope"], Code), f"{each.name} is given for the whole resource group"
    given = {
        e.type.split("@")[0]
        for p in MODULES.glob("*.bicep")
        if p != path
        for e in read_bicep(p).of("resource").values()
    }
    assert not [name for name in given if "roleAssignments" in name.lower() or name.lower().endswith("roleassignments")]


def test_the_roles_are_those_that_the_documentation_names() -> None:
    table = re.findall(
        r"^\| (\w[\w ]+?) (?:\(a role of Cosmos DB's own\) )?\| ", (ROOT / "docs" / "azure.md").read_text(), re.M
    )
    roles = (MODULES / "roles.bicep").read_text()
    wanted = [
        name for name in table if name.startswith(("Storage Blob", "Storage Queue", "EventGrid", "Cosmos DB Built-in"))
    ]
    assert len(wanted) >= 5
    assert [name for name in wanted if f"// {name}\n" not in roles and not name.startswith("Cosmos DB")] == []
    assert "sqlRoleDefinitions/00000000-0000-0000-0000-000000000002'" in roles  # Cosmos DB Built-in Data Contributor
