"""The OpenAPI 3.1 document of the REST API, made of the table of operations."""

from __future__ import annotations

import re
from typing import Any

from pydantic.json_schema import models_json_schema

from shared.api import documents as doc
from shared.api.message import PROBLEM
from shared.api.operation import Operation
from shared.api.operations import OPERATIONS
from shared.api.search import SORTS
from shared.resources.base import NAME_PATTERN, Document
from shared.resources.lineage import DEFAULT_DEPTH, MAX_DEPTH
from shared.resources.model import LABEL_PATTERN

_QUERY: dict[str, dict[str, Any]] = {
    "limit": {"schema": {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 1000}, {"const": ""}], "default": 100}},
    "continuation": {"schema": {"type": "string"}, "description": "from the page before"},
    "type": {"schema": {"type": "string"}, "description": "event types, separated by commas"},
    "subject_prefix": {"schema": {"type": "string"}},
    "monitor": {"schema": {"type": "string"}, "description": "only runs of the monitor of this name"},
    "outdated": {"schema": {"enum": ["true", "false", ""]}},
    "from": {"schema": {"type": "string"}},
    "since": {"schema": {"type": "string", "format": "date-time"}},
    "tag": {
        "schema": {"type": "string"},
        "description": "KEY or KEY=VALUE, several separated by commas: all must hold",
    },
    "property": {"schema": {"type": "string"}, "description": "KEY or KEY=VALUE, several separated by commas"},
    "framework": {"schema": {"type": "string"}},
    "run_id": {"schema": {"type": "string"}},
    "experiment": {"schema": {"type": "string"}},
    "dataset": {"schema": {"type": "string"}, "description": "a data set's reference, as it was registered"},
    "label": {"schema": {"type": "string"}},
    "stage": {"schema": {"type": "string"}},
    "text": {"schema": {"type": "string"}, "description": "words: each must be in name, description, tags, properties"},
    "created_after": {"schema": {"type": "string", "format": "date-time"}, "description": "not created before it"},
    "created_before": {"schema": {"type": "string", "format": "date-time"}},
    "sort": {"schema": {"enum": [*SORTS, ""]}},
    "depth": {
        "schema": {"anyOf": [{"type": "integer", "minimum": 1, "maximum": MAX_DEPTH}, {"const": ""}]},
        "description": f"at most so many steps away; {DEFAULT_DEPTH} when left out",
    },
    "include_archived": {"schema": {"enum": ["true", "false", ""]}},
}
# Parameters that mean something else in one operation.
_MODEL_TYPE = {"type": {"schema": {"type": "string"}, "description": "custom_model, mlflow_model or triton_model"}}
_ASSET_VERSION = {"version": {"schema": {"type": "string"}, "description": "of an asset with versions"}}
_OF_OPERATION: dict[str, dict[str, Any]] = {
    "list_models": _MODEL_TYPE,
    "search_model_versions": _MODEL_TYPE,
    "list_model_versions": _MODEL_TYPE,
    "reconcile_resource": _ASSET_VERSION,
    "get_declared": _ASSET_VERSION,
    "delete_declared": _ASSET_VERSION,
}
_PATH: dict[str, dict[str, Any]] = {
    "name": {"type": "string", "pattern": NAME_PATTERN},
    "version": {"type": "string", "pattern": "^@?[a-zA-Z0-9][a-zA-Z0-9._-]*$"},
    "label": {"type": "string", "pattern": LABEL_PATTERN},
    "run_id": {"type": "string", "pattern": NAME_PATTERN},
    "upload_id": {"type": "string"},
    "sync_id": {"type": "string"},
    "image_id": {"type": "string"},
    "monitor_run_id": {"type": "string"},
    "profile_id": {"type": "string"},
    "deployment": {"type": "string"},
    "optimization_id": {"type": "string"},
    "provider": {"type": "string", "description": "github, gitlab, azure-devops or generic (Standard Webhooks)"},
    "path": {"type": "string", "description": "path of the file, '/' between the parts"},
    "kind": {"type": "string", "description": "upload, model, run, subscription, sync, environment, job..."},
}
_TITLES = {200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 302: "Found"}


def openapi() -> dict[str, Any]:
    """The document, with every request, answer and error."""
    shapes = {shape for op in OPERATIONS.values() for shape in (*op.answers.values(), op.body) if shape}
    inputs = [(shape, "validation") for shape in sorted(shapes | {doc.Problem}, key=lambda s: s.__name__)]
    _, schemas = models_json_schema(inputs, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS.values():
        path = "/" + re.sub(r"\{\*?(\w+)\}", r"{\1}", operation.path)
        paths.setdefault(path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Slipway", "version": "1", "description": "MLOps control plane: registry, events, uploads."},
        "servers": [{"url": "/api"}],
        "security": [{"functionKey": []}, {"functionCode": []}, {"entra": []}],
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "functionKey": {"type": "apiKey", "in": "header", "name": "x-functions-key"},
                "functionCode": {"type": "apiKey", "in": "query", "name": "code"},
                "entra": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    names = re.findall(r"\{\*?(\w+)\}", operation.path)
    parameters = [{"name": n, "in": "path", "required": True, "schema": _PATH[n]} for n in names]
    # The Functions host leaves out empty query values, so they cannot be refused.
    described = {**_QUERY, **_OF_OPERATION.get(operation.id, {})}
    parameters += [{"name": n, "in": "query", "allowEmptyValue": True, **described[n]} for n in operation.query]
    if operation.if_match:
        parameters.append({"name": "If-Match", "in": "header", "required": True, "schema": {"type": "string"}})
    document: dict[str, Any] = {
        "operationId": operation.id,
        "summary": (operation.handler.__doc__ or "").strip().partition("\n")[0],
        "parameters": parameters,
        "responses": _responses(operation),
    }
    if operation.body is not None:
        content = {media_type: {"schema": _ref(operation.body)} for media_type in operation.body_types}
        document["requestBody"] = {"required": True, "content": content}
    if operation.anonymous:
        document["security"] = []
    return document


def _responses(operation: Operation) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, shape in operation.answers.items():
        responses[str(status)] = {"description": _TITLES.get(status, "Not available")}
        if shape is not None:
            responses[str(status)]["content"] = {"application/json": {"schema": _ref(shape)}}
    common = () if operation.anonymous else (401, 503)
    for status in sorted({*operation.errors, *common}):
        problem = {PROBLEM: {"schema": _ref(doc.Problem)}}
        responses.setdefault(str(status), {"description": "Problem", "content": problem})
    return responses


def _ref(shape: type[Document]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{shape.__name__}"}
