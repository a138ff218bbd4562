"""Which form a declared file has.

In this order: (1) the last segment of `$schema`, which names a family; (2) `type` inside that family (batch
deployments are told apart by it, as Azure ML's own loader must: one `$schema` stands over two shapes); (3) without a
known `$schema`, the keys that only one family has, with `type` inside it; (4) `type` alone; (5) for a model and data,
which share their keys, the name of the file. What Azure ML declares and Slipway does not run is recognised by the same
steps and refused with NotSupported.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from shared.declarations.source import Source
from shared.errors import Invalid, NotSupported
from shared.resources.forms import FORMS, Form
from shared.resources.shapes import fold
from shared.resources.unsupported import BY_KEYS, BY_SCHEMA, BY_TYPE, Unsupported

_FAMILY_OF_SCHEMA = {
    **{fold(name): form.kind for name, form in FORMS.items() if form.kind},
    "schedule": "schedule",
    "modelversionpackage": "model-package",
    "onlineendpoint": "online-endpoint",
    "onlinedeployment": "online-deployment",
    "batchjob": "job",
}
_BY_TYPE: dict[str, dict[str, str]] = {  # family -> folded `type` -> form; "" is without `type`
    "job": {"command": "commandJob", "sweep": "sweepJob", "parallel": "parallelJob", "pipeline": "pipelineJob"},
    "component": {
        "command": "commandComponent",
        "parallel": "parallelComponent",
        "pipeline": "pipelineComponent",
    },
    "batch-deployment": {
        "": "batchDeployment",
        "model": "modelBatchDeployment",
        "pipeline": "pipelineComponentBatchDeployment",
    },
    "online-deployment": {"managed": "managedOnlineDeployment", "kubernetes": "kubernetesOnlineDeployment"},
}
_DATA_TYPES = {"urifile", "urifolder", "mltable"}
_MODEL_TYPES = {"custommodel", "mlflowmodel", "tritonmodel"}
_JOB_ONLY = {
    "compute", "experiment_name", "limits", "services", "identity", "environment_variables", "parent_job_name",
    "trial", "search_space", "settings",
}  # fmt: skip
_KEYS: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"create_monitor"}), "monitor"),
    (frozenset({"create_job"}), "schedule"),
    (frozenset({"inferencing_server", "target_environment"}), "model-package"),
    (frozenset({"endpoint_name", "scale_settings", "liveness_probe", "request_settings"}), "deployment"),
    (frozenset({"jobs", "trial", "search_space", "command", "task"}), "run"),
    (frozenset({"traffic", "mirror_traffic", "auth_mode", "public_network_access", "defaults"}), "endpoint"),
    (frozenset({"image", "build", "conda_file", "pip"}), "environment"),
    (frozenset({"channels", "dependencies"}), "conda"),
    (frozenset({"flavors", "stage"}), "model"),
)
_BATCH_ONLY = {
    "mini_batch_size", "output_action", "output_file_name", "max_concurrency_per_instance", "retry_settings", "compute",
    "logging_level", "settings", "component", "job_definition",
}  # fmt: skip


def form_of(source: Source, expected: tuple[str, ...] = ()) -> Form:
    """The form of a loaded mapping; `expected` are the only forms that are accepted, if given.
    Raises Invalid when it cannot be told or is not an expected one, NotSupported for what Slipway does not run."""
    value: Mapping[str, Any] = source.value
    if len(expected) == 1 and not value.get("$schema"):
        return FORMS[expected[0]]
    name = _told(source, value) if not expected else _expected(source, value, expected)
    return FORMS[name]


def looks_declared(source: Source) -> bool:
    """Whether a document may be a declared file at all: other YAML in a folder is passed over."""
    value = source.value
    if not isinstance(value, dict):
        return False
    schema = value.get("$schema")
    if isinstance(schema, str) and "azureml" in schema:
        return True
    name, kind = fold(_schema_name(value)), fold(value.get("type") or "")
    if name in _FAMILY_OF_SCHEMA or name in BY_SCHEMA or _unsupported_keys(value):
        return True
    return _family_by_keys(value) not in (None, "conda") or bool(_family_by_type(kind, value, source.file))


def _expected(source: Source, value: Mapping[str, Any], expected: tuple[str, ...]) -> str:
    kind = fold(value.get("type") or "command")
    schema = fold(_schema_name(value))
    of_schema = [name for name in expected if fold(name) == schema]
    families = {FORMS[name].kind for name in expected}
    of_type = [_BY_TYPE[family][kind] for family in sorted(families) if kind in _BY_TYPE.get(family, {})]
    told = [name for name in of_type if name in expected and (not schema or FORMS[name].kind == _family(schema))]
    if told or of_schema:
        return (told or of_schema)[0]
    if schema and _family(schema) not in families:
        fault = source.fault("/$schema", f"this is a {_schema_name(value)}", ", ".join(expected))
        raise Invalid(f"{source.file} is not what is needed here", faults=(fault,))
    if len(expected) == 1:
        return expected[0]
    fault = source.fault("/type", f"{value.get('type')!r}: not accepted here", ", ".join(expected))
    raise Invalid(f"{source.file} is not what is needed here", faults=(fault,))


def _family(schema: str) -> str:
    return _FAMILY_OF_SCHEMA.get(schema, "")


def _told(source: Source, value: Mapping[str, Any]) -> str:
    schema = _schema_name(value)
    if found := BY_SCHEMA.get(fold(schema)):
        raise _not_supported(source, "/$schema", found)
    if found := _unsupported_keys(value):
        raise _not_supported(source, "", found)
    family = _family(fold(schema))
    kind = fold(value["type"]) if isinstance(value.get("type"), str) else ""
    if kind in BY_TYPE and family in ("", "job", "component", "schedule"):
        raise _not_supported(source, "/type", BY_TYPE[kind])
    if not family:
        family = _family_by_keys(value) or _family_by_type(kind, value, source.file)
    family = _resolved(family, kind, value)
    form = _in_family(family, kind, fold(schema), value) if family else None
    if form is None:
        raise _unknown(source, value, family)
    return form


def _resolved(family: str, kind: str, value: Mapping[str, Any]) -> str:
    """The family, where keys told only two of them."""
    if family == "run":
        return _job_or_component(value)
    if family == "deployment":
        return "batch-deployment" if _is_batch(kind, value) else "online-deployment"
    return family


def _in_family(family: str, kind: str, schema: str, value: Mapping[str, Any]) -> str | None:
    if family in ("schedule", "monitor"):
        return "monitor" if "create_monitor" in value else "schedule"
    if family == "endpoint":
        return "batchEndpoint" if "defaults" in value else _endpoint(value)
    if family in _BY_TYPE:
        return _BY_TYPE[family].get(kind) or (_without_type(family, schema, value) if not kind else None)
    if family == "conda":
        return "condaFile"
    of_schema = next((form.name for form in FORMS.values() if fold(form.name) == schema and form.kind == family), None)
    return of_schema or next((form.name for form in FORMS.values() if form.kind == family), None)


def _without_type(family: str, schema: str, value: Mapping[str, Any]) -> str:
    if family == "job":
        if "jobs" in value:
            return "pipelineJob"
        return "sweepJob" if "trial" in value else "commandJob"
    if family == "component":
        of_schema = [name for name in _BY_TYPE[family].values() if fold(name) == schema]
        return of_schema[0] if of_schema else "pipelineComponent" if "jobs" in value else "commandComponent"
    resources = value.get("resources")
    if schema == "kubernetesonlinedeployment" or (
        isinstance(resources, dict) and {"requests", "limits"} & set(resources)
    ):
        return "kubernetesOnlineDeployment"
    return "managedOnlineDeployment"


def _endpoint(value: Mapping[str, Any]) -> str:
    return "kubernetesOnlineEndpoint" if "compute" in value else "managedOnlineEndpoint"


def _is_batch(kind: str, value: Mapping[str, Any]) -> bool:
    return kind in ("model", "pipeline") or (
        not kind and bool(_BATCH_ONLY & value.keys()) and "instance_type" not in value
    )


def _job_or_component(value: Mapping[str, Any]) -> str:
    """Without `$schema` both look alike: a component has a name, no key that only jobs have, and ports for inputs."""
    if "name" not in value or _JOB_ONLY & value.keys():
        return "job"
    inputs = value.get("inputs")
    ports = list(inputs.values()) if isinstance(inputs, dict) else []
    typed = all(isinstance(port, dict) and "type" in port and "path" not in port for port in ports)
    return "component" if typed else "job"


def _family_by_keys(value: Mapping[str, Any]) -> str | None:
    keys = value.keys()
    return next((family for marks, family in _KEYS if marks & keys), None)


def _family_by_type(kind: str, value: Mapping[str, Any], file: str) -> str:
    if kind in _DATA_TYPES:
        return "data"
    if kind in _MODEL_TYPES:
        return "model"
    if kind in _BY_TYPE["job"]:
        return "run"
    if kind in _BY_TYPE["online-deployment"]:
        return "online-deployment"
    if "path" in value and (begin := posixpath.basename(file).lower()).startswith(("model", "data")):
        return "model" if begin.startswith("model") else "data"
    return ""


def _unsupported_keys(value: Mapping[str, Any]) -> Unsupported | None:
    return next((what for keys, what in BY_KEYS if keys <= value.keys()), None)


def _schema_name(value: Mapping[str, Any]) -> str:
    """The last segment of `$schema` without its ending; "" without one."""
    schema = value.get("$schema")
    name = schema.rstrip("/#").rpartition("/")[2] if isinstance(schema, str) else ""
    return name.removesuffix(".json").removesuffix(".schema")


def _not_supported(source: Source, pointer: str, found: Unsupported) -> NotSupported:
    fault = source.fault(
        pointer, f"{found.what} are not supported, because {found.because}", f"instead, {found.instead}"
    )
    return NotSupported(f"{source.file} declares what Slipway does not run", faults=(fault,), remedy=found.instead)


def _unknown(source: Source, value: Mapping[str, Any], family: str) -> Invalid:
    if family in _BY_TYPE:
        allowed = ", ".join(kind or "no `type`" for kind in _BY_TYPE[family])
        fault = source.fault("/type", f"{value.get('type')!r}: not accepted", allowed)
    else:
        pointer = "/$schema" if value.get("$schema") else "/type" if "type" in value else ""
        known = ", ".join(sorted(form.name for form in FORMS.values() if form.kind))
        fault = source.fault(
            pointer, "what kind of file this is cannot be told", f"$schema: .../KIND.schema.json with {known}"
        )
    return Invalid(f"{source.file} is no declared file", faults=(fault,), remedy="add `$schema`, or correct `type`")
