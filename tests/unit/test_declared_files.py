"""Declared files: which form they have, what they name, and how their faults are told."""

# ruff: noqa: E501 (a mistake is a line of the table)
from __future__ import annotations

import functools
from contextlib import suppress
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.declarations import json_schemas
from shared.declarations.load import Declared, Loader, load_document
from shared.declarations.trees import MemoryTree
from shared.errors import NotSupported, SlipwayError
from shared.resources.forms import FORMS

JOB = "command: python a.py\nenvironment: azureml:e:1\n"
DEPLOYMENT = "name: blue\nendpoint_name: ep1\ninstance_type: s\n"
MONITOR = (
    "name: m\ntrigger: {type: cron, expression: 0 1 * * *}\ncreate_monitor:\n  compute: {instance_type: s}\n"
    "  monitoring_signals:\n    s:\n"
)


def fault_of(text: str, file: str = "f.yml") -> tuple[int | None, int | None, str, str, str]:
    """Line, column, pointer, message and what is allowed of the only fault."""
    with pytest.raises(SlipwayError) as caught:
        load_document(text, file)
    (fault,) = caught.value.faults
    assert fault.file == file
    return fault.line, fault.column, fault.pointer, fault.message, fault.allowed or ""


# What users get wrong -> the exact place, and words of the message and of what is allowed.
MISTAKES = [
    ("$schema: x/commandJob.schema.json\n" + JOB + "comand: x\n", 4, 1, "/comand", "is 'command' meant?", "command,"),
    ("type: managed\n" + DEPLOYMENT + "model: models/a\n", 5, 1, "/model", "'models/a': not accepted", "azureml:NAME:VERSION"),
    ("type: managed\n" + DEPLOYMENT + "model: azureml:a\n", 5, 1, "/model", "names no version", "azureml:NAME@LABEL"),
    ("type: managed\n" + DEPLOYMENT + "model: {name: a}\n", 5, 1, "/model/path", "'path' is missing", "file or folder"),
    ("type: managed\nname: blue\nendpoint_name: ep1\n", 1, 1, "/instance_type", "is missing", "size of an instance"),
    ("type: fast\n" + DEPLOYMENT, 1, 1, "/type", "'fast': not accepted", "managed, kubernetes"),
    (
        "type: managed\n" + DEPLOYMENT + "request_settings: {request_timeout_ms: 200000}\n",
        5, 20, "/request_settings/request_timeout_ms", "less than or equal to 180000", "",
    ),
    (
        "type: managed\n" + DEPLOYMENT + "liveness_probe:\n  initial_delay: soon\n",
        6, 3, "/liveness_probe/initial_delay", "'soon'", "",
    ),
    (
        "type: managed\n" + DEPLOYMENT + "scale_settings: {type: target_utilization, max: 3}\n",
        5, 44, "/scale_settings/max", "is no key here", "max_instances",
    ),
    ("type: managed\n" + DEPLOYMENT + "scale_settings: {type: auto}\n", 5, 18, "/scale_settings/type", "'auto'", "default, target_utilization"),
    ("$schema: x/managedOnlineEndpoint.schema.json\nname: my_endpoint\n", 2, 1, "/name", "'my_endpoint'", "letters, digits and '-'"),
    ("name: ep1\nauth_mode: token\n", 2, 1, "/auth_mode", "'token': not accepted", "key, aml_token, aad_token"),
    ("name: ep1\nauth_mode: key\ntraffic: {blue: 60, green: 60}\n", 3, 1, "/traffic", "sum up to 120", "at most 100"),
    ("name: e\nimage: a\nbuild: {path: .}\n", 3, 1, "/build", "exclude each other", "one of image, build"),
    ("name: e\nimage: a\nchannels: []\n", 3, 1, "/channels", "belongs into a conda file", "conda_file"),
    ("name: e\nimage: a\nconda_file: {dependencies: [{pip: x}]}\n", 3, 30, "/conda_file/dependencies/0/pip", "'x'", ""),
    (JOB + "inputs:\n  a:\n    type: uri_fold\n", 5, 5, "/inputs/a/type", "'uri_fold': not accepted", "uri_file, uri_folder"),
    (JOB + "inputs: {a: [1]}\n", 3, 10, "/inputs/a", "[1]: not accepted", "a number, a text or a boolean"),
    (JOB + "distribution: {type: horovod}\n", 3, 16, "/distribution/type", "'horovod'", "mpi, pytorch, tensorflow, ray"),
    ("command: a ${{input.x}}\nenvironment: azureml:e:1\n", 1, 1, "/command", "unknown 'input'", "${{inputs.NAME}}"),
    ("command: a\nenvironment: sklearn\n", 2, 1, "/environment", "'sklearn': not accepted", "azureml:NAME:VERSION"),
    ("command: a\n", 1, 1, "/environment", "'environment' is missing", "environment it runs in"),
    ("type: pipeline\njobs:\n  a: {type: comand}\n", 3, 7, "/jobs/a/type", "'comand': not accepted", "command, sweep"),
    ("type: pipeline\njobs:\n  a: {type: command}\n", 3, 3, "/jobs/a", "neither `component` nor `command`", "component"),
    ("type: pipeline\njobs:\n  a: {component: azureml:c:1, input: {}}\n", 3, 31, "/jobs/a/input", "is 'inputs' meant?", "inputs"),
    ("type: pipeline\n", 1, 1, "", "neither `jobs` nor `component`", "one of jobs, component"),
    ("name: s\ncreate_job: azureml:j\ntrigger: {type: cron, expression: 0 25 * * *}\n", 3, 23, "/trigger/expression", "'25': not a hour", "0-23"),
    ("name: s\ncreate_job: azureml:j\ntrigger: {type: daily}\n", 3, 11, "/trigger/type", "'daily'", "cron, recurrence"),
    (
        "name: s\ncreate_job: azureml:j\ntrigger: {type: cron, expression: 0 1 * * *, timezone: UTC}\n",
        3, 46, "/trigger/timezone", "Azure ML reads 'time_zone'", "time_zone",
    ),
    (
        "name: s\ncreate_job: azureml:j\ntrigger: {type: recurrence, frequency: day, interval: 1, schedule: {hours: 3}}\n",
        3, 58, "/trigger/schedule/minutes", "'minutes' is missing", "0 to 59",
    ),
    (MONITOR + "      type: drift\n", 7, 7, "/create_monitor/monitoring_signals/s/type", "'drift'", "data_drift"),
    (
        MONITOR + "      type: data_drift\n      metric_thresholds: {categorical: {chi_squared_test: 1}}\n",
        8, 41, "/create_monitor/monitoring_signals/s/metric_thresholds/categorical/chi_squared_test",
        "Azure ML reads 'pearsons_chi_squared_test'", "",
    ),
    (
        "type: model\nname: b\nendpoint_name: e\ncompute: c\nmini_batch_size: 3\n",
        5, 1, "/mini_batch_size", "not a key of this kind", "settings",
    ),
    ("name: {{name}}\ntype: managed\n", 1, 7, "", "placeholder of a template", "YAML"),
    ("name: a\nfoo: 1\n", 1, 1, "", "cannot be told", "commandJob"),
    ("type: automl\ntask: regression\n", 1, 1, "/type", "not supported, because", "declare a sweep job"),
    ("name: a\npath: p\ntype: custom_model\nversion: [1]\n", 4, 1, "/version", "[1]", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "column", "pointer", "message", "allowed"), MISTAKES)
def test_a_mistake_is_told_once_at_its_place(
    text: str, line: int, column: int, pointer: str, message: str, allowed: str
) -> None:
    found = fault_of(text)
    assert found[:3] == (line, column, pointer)
    assert message in found[3]
    assert allowed in found[4]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("name: e\nimage: a\n", "environment"),
        ("name: d\ntype: uri_file\npath: a.csv\n", "data"),
        ("name: m\ntype: MlflowModel\npath: m\n", "model"),
        ("name: train\ntype: command\ncommand: a\nenvironment: azureml:e:1\n", "commandComponent"),
        (JOB, "commandJob"),
        ("name: ep1\nauth_mode: Key\n", "managedOnlineEndpoint"),
        (DEPLOYMENT, "managedOnlineDeployment"),
        ("name: b\nendpoint_name: e\nresources: {requests: {cpu: 1}}\n", "kubernetesOnlineDeployment"),
        ("name: b\nendpoint_name: e\ncompute: c\nmini_batch_size: 3\n", "batchDeployment"),
        ("type: model\nname: b\nendpoint_name: e\ncompute: c\n", "modelBatchDeployment"),
        ("type: pipeline\nname: b\nendpoint_name: e\ncomponent: azureml:c:1\n", "pipelineComponentBatchDeployment"),
        (
            "$schema: x/batchDeployment.schema.json\ntype: model\nname: b\nendpoint_name: e\ncompute: c\nsettings: {}\n",
            "modelBatchDeployment",
        ),
        ("target_environment: p\ninferencing_server: {type: azureml_online}\n", "modelPackage"),
        (MONITOR + "      type: data_drift\n", "monitor"),
    ],
)
def test_the_form_is_told_by_schema_type_and_keys(text: str, form: str) -> None:
    assert load_document(text, "f.yml").form.name == form


@pytest.mark.parametrize(
    "text",
    [
        "$schema: x/workspace.schema.json\nname: w\n",
        "$schema: x/amlCompute.schema.json\nname: c\ntype: amlcompute\n",
        "$schema: x/sparkJob.schema.json\ntype: spark\n",
        "type: azure_blob\nname: d\naccount_name: a\ncontainer_name: c\n",
        "name: c\ntype: s3\ntarget: x\ncredentials: {}\n",
        "name: i\ntrigger: {}\nimport_data: {}\n",
    ],
)
def test_what_is_not_run_is_answered_with_what_to_do_instead(text: str) -> None:
    with pytest.raises(NotSupported) as caught:
        load_document(text, "f.yml")
    assert "not supported, because" in caught.value.faults[0].message
    assert caught.value.remedy


def test_a_node_that_is_not_run_is_read_and_warned_of() -> None:
    found = load_document("type: pipeline\njobs:\n  a:\n    type: automl\n    task: regression\n", "p.yml")
    assert [(fault.pointer, fault.line) for fault in found.warnings] == [("/jobs/a/type", 4)]


def test_merge_keys_bring_in_what_is_not_written() -> None:
    text = (
        "type: pipeline\njobs:\n  a: &a\n    type: command\n    component: azureml:c:1\n    compute: x\n"
        "  b:\n    <<: *a\n    compute: y\n"
    )
    declaration: Any = load_document(text, "p.yml").declaration
    assert (declaration.jobs["b"].component, declaration.jobs["b"].compute) == ("azureml:c:1", "y")
    assert fault_of(text + "    compute: z\n")[:3] == (10, 5, "/jobs/b/compute")
    assert "`<<` brings in no mapping" in fault_of("name: e\nimage: i\n<<: 3\n")[3]


def test_values_given_on_the_command_line_count_as_written() -> None:
    text = "instance_type: s\ntype: managed\n"
    found = load_document(text, "d.yml", overrides={"name": "blue", "endpoint_name": "ep1"})
    assert found.name == "blue"


def test_defaults_are_azure_mls() -> None:
    text = "type: managed\n" + DEPLOYMENT + "request_settings: {}\nliveness_probe: {}\n"
    declaration: Any = load_document(text, "d.yml").declaration
    assert declaration.request_settings.request_timeout_ms == 5000
    assert declaration.liveness_probe.model_dump() == {
        "initial_delay": 10,
        "period": 10,
        "timeout": 2,
        "success_threshold": 1,
        "failure_threshold": 30,
    }
    assert declaration.app_insights_enabled is False


def load(files: dict[str, str | None], path: str) -> Declared:
    return Loader(MemoryTree(files)).load(path)


def test_files_that_a_file_names_are_loaded_and_their_faults_have_their_own_place() -> None:
    files = {
        "p/pipeline.yml": "type: pipeline\njobs:\n  a:\n    component: ../c/train.yml\n",
        "c/train.yml": "name: train\ncommand: x\nenvironment: {image: i, conda_file: conda.yml}\ncode: src\n",
        "c/conda.yml": "dependencies:\n  - python\n  - pip: [3]\n",
        "c/src/train.py": None,
    }
    with pytest.raises(SlipwayError) as caught:
        load(files, "p/pipeline.yml")
    (fault,) = caught.value.faults
    assert (fault.file, fault.line, fault.pointer) == ("c/conda.yml", 3, "/dependencies/1/pip/0")
    found = load(files | {"c/conda.yml": "dependencies: [python]\n"}, "p/pipeline.yml")
    assert [nested.form.name for nested in found.nested] == ["commandComponent"]
    assert [nested.source.file for nested in found.nested[0].nested] == ["c/conda.yml"]


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"a.yml": "type: pipeline\njobs:\n  a: {component: b.yml}\n"}, "'b.yml' does not exist"),
        ({"a.yml": JOB + "code: ../../secret\n"}, "leads out of the folder"),
        ({"a.yml": JOB + "code: /etc\n"}, "leads out of the folder"),
        ({"a.yml": JOB + "code: src\n"}, "'src' does not exist"),
        ({"a.yml": "type: pipeline\ncomponent: a.yml\n"}, "names a file that names it: a.yml > a.yml"),
        (
            {"a.yml": "name: s\ntrigger: {type: cron, expression: 0 1 * * *}\ncreate_job: b.yml\n", "b.yml": "name: e\nimage: i\n$schema: x/environment.schema.json\n"},
            "this is a environment",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_told(files: dict[str, str | None], told: str) -> None:
    with pytest.raises(SlipwayError) as caught:
        load(files, "a.yml")
    assert any(told in fault.message and fault.line for fault in caught.value.faults), caught.value


def test_a_chain_of_files_ends() -> None:
    files: dict[str, str | None] = {
        f"{n}.yml": f"type: pipeline\njobs:\n  a: {{type: pipeline, component: {n + 1}.yml}}\n" for n in range(50)
    }
    with pytest.raises(SlipwayError, match="files deep"):
        load(files, "0.yml")


generated = functools.cache(json_schemas.generate)


@pytest.mark.parametrize("form", [form for form in FORMS.values()], ids=lambda form: form.name)
def test_a_forms_json_schema_is_one_and_its_examples_are_valid(form: Any) -> None:
    schema = generated()[f"{form.name}.schema.json"]
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["examples"]
    for example in schema["examples"]:
        jsonschema.Draft202012Validator(schema).validate(example)
        head = {} if form.name == "condaFile" else {"$schema": f"x/{form.name}.schema.json"}
        assert load_document(yaml.safe_dump(head | example), f"{form.name}.yml").form.name == form.name


_KEYS = st.sampled_from(
    ["$schema", "type", "name", "jobs", "command", "component", "inputs", "outputs", "environment", "model", "trigger",
     "create_job", "create_monitor", "monitoring_signals", "endpoint_name", "settings", "resources", "path", "compute",
     "distribution", "search_space", "scale_settings", "conda_file", "trial", "task", "identity", "traffic", "a"]
)  # fmt: skip
_WORDS = st.sampled_from(
    ["command", "pipeline", "sweep", "parallel", "managed", "model", "${{inputs.x}}", "${{", "azureml:a:1", "./a.yml",
     "x/schedule.json", "x/monitor.schema.json", "cron", "spark", "uri_file", "azureml://x", "git+https://x", "\x00"]
)  # fmt: skip
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _WORDS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS | st.text(max_size=4), inner, max_size=5),
    max_leaves=25,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(_KEYS, _VALUES, max_size=7) | _VALUES)
def test_anything_is_loaded_or_refused(value: Any) -> None:
    with suppress(SlipwayError):
        Loader(MemoryTree({"a.yml": "name: e\nimage: i\n"})).load_text(yaml.safe_dump(value), "f.yml")


@given(st.text(max_size=200))
def test_any_text_is_loaded_or_refused(text: str) -> None:
    with suppress(SlipwayError):
        load_document(text, "f.yml")
