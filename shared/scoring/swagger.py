"""/swagger.json: how to call /score, in Swagger 2.0, OpenAPI 3.0 and 3.1.

Paths, operation ids and names of schemas are those of azureml-inference-server-http 1.5.1 (swagger2_template.json,
swagger3_template.json). A model's input has the names that Power BI looks for: Inputs, GlobalParameters, Results.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from shared.scoring.errors import NotFound, StartError
from shared.scoring.http.messages import Request, Response
from shared.scoring.models.onnx_model import OnnxModel
from shared.scoring.problems import azure
from shared.scoring.routes import Reply, Route
from shared.scoring.scripts.entry_script import EntryScript, schema_tools
from shared.scoring.settings import Settings
from shared.scoring.swagger_schemas import model_schemas

Schema = dict[str, Any]
ALIASES = {"2": "2", "2.0": "2", "3": "3", "3.0": "3", "3.1": "3.1"}
_FILES = {"2": ("swagger.json", "swagger2.json"), "3": ("swagger3.json",), "3.1": ("swagger3.1.json",)}
_ANY: Schema = {"type": "object", "example": {}}
_ERROR: Schema = {"type": "object", "properties": {"message": {"type": "string"}}}
_FAILURE = "The service failed to execute due to an error."
_OPERATIONS = (
    ("/", "get", "ServiceHealthCheck", "Whether the service is up.", "Healthy"),
    ("/score", "post", "RunMLService", "Run the model on the input and get its prediction.", "ServiceOutput"),
    ("/swagger.json", "get", "GetSwaggerSpec", "This document.", "Document"),
)


def of_script(script: EntryScript, settings: Settings) -> dict[str, Schema]:
    """Documents by version: the user's own from the app root, else made of the schemas of inference-schema. Raises
    StartError for a file that is no JSON."""
    tools = schema_tools()
    versions, taken, given = set(ALIASES), _ANY, _ANY
    if tools is not None:
        versions = set(tools.get_supported_versions(script.run))
        if tools.is_schema_decorated(script.run):
            taken, given = tools.get_input_schema(script.run), tools.get_output_schema(script.run)
    documents = {version: document(version, taken, given, settings) for version in _FILES if versions & _names(version)}
    return documents | _own_files(settings.app_root)


def _names(version: str) -> set[str]:
    return {alias for alias, name in ALIASES.items() if name == version}


def _own_files(app_root: Path) -> dict[str, Schema]:
    found = {}
    for version, names in _FILES.items():
        for name in reversed(names):
            path = app_root / name
            if path.is_file():
                try:
                    found[version] = json.loads(path.read_text(encoding="utf-8"))
                except ValueError as error:
                    raise StartError(f"{path}: {error}") from error
    return found


def of_model(model: OnnxModel, settings: Settings) -> dict[str, Schema]:
    """Documents by version, of the model's own names, types and sample."""
    return {version: _with_problems(document(version, *model_schemas(model, version), settings)) for version in _FILES}


def _with_problems(made: Schema) -> Schema:
    """Errors of models are problem documents; those of scripts are not."""
    if "swagger" in made:
        made["produces"].append("application/problem+json")
        return made
    for path, methods in made["paths"].items():
        if path.endswith("/score"):
            content = methods["post"]["responses"]["default"]["content"]
            content["application/problem+json"] = content["application/json"]
    return made


def document(version: str, taken: Schema, given: Schema, settings: Settings) -> Schema:
    """One document; `taken` and `given` are the schemas of /score's input and output."""
    info = {
        "title": settings.service_name,
        "description": f"API specification for the Azure Machine Learning service {settings.service_name}",
        "version": settings.service_version,
    }
    prefix = f"/{settings.service_path_prefix.strip('/')}" if settings.service_path_prefix else ""
    schemas = {"ServiceInput": taken, "ServiceOutput": given, "ErrorResponse": _ERROR}
    bearer = {"type": "apiKey", "name": "Authorization", "in": "header", "description": "For example: Bearer abc123"}
    if version == "2":
        return {
            "swagger": "2.0",
            "info": info,
            "schemes": ["https"],
            "consumes": ["application/json"],
            "produces": ["application/json"],
            "securityDefinitions": {"Bearer": bearer},
            "paths": _paths(prefix, _operation_2),
            "definitions": schemas,
        }
    return {
        "openapi": "3.1.0" if version == "3.1" else "3.0.3",
        "info": info,
        "security": [{"Bearer": []}],
        "paths": _paths(prefix, _operation_3),
        "components": {"schemas": schemas, "securitySchemes": {"Bearer": bearer}},
    }


def _paths(prefix: str, operation: Callable[[str, str], Schema]) -> Schema:
    return {
        prefix + path: {method: {"operationId": name, "description": text, **operation(path, answer)}}
        for path, method, name, text, answer in _OPERATIONS
    }


def _operation_2(path: str, answer: str) -> Schema:
    def ref(name: str) -> Schema:
        return {"$ref": f"#/definitions/{name}"}

    schema = ref(answer) if answer == "ServiceOutput" else {"type": "object" if answer == "Document" else "string"}
    operation: Schema = {
        "responses": {
            "200": {"description": "The answer.", "schema": schema},
            "default": {
                "description": "The service failed to execute due to an error.",
                "schema": ref("ErrorResponse"),
            },
        }
    }
    if path == "/score":
        operation["security"] = [{"Bearer": []}]
        operation["parameters"] = [
            {
                "name": "serviceInputPayload",
                "in": "body",
                "description": "The input payload for executing the real-time machine learning service.",
                "schema": ref("ServiceInput"),
            }
        ]
    if path == "/swagger.json":
        operation["parameters"] = [{"name": "version", "in": "query", "required": False, "type": "string"}]
    return operation


def _operation_3(path: str, answer: str) -> Schema:
    def content(schema: Schema, media_type: str = "application/json") -> Schema:
        return {"content": {media_type: {"schema": schema}}}

    def ref(name: str) -> Schema:
        return {"$ref": f"#/components/schemas/{name}"}

    good = content(ref(answer)) if answer == "ServiceOutput" else content({"type": "object"})
    if answer == "Healthy":
        good = content({"type": "string", "example": "Healthy"}, "text/plain")
    failed = {"description": _FAILURE, **content(ref("ErrorResponse"))}
    operation: Schema = {"responses": {"200": {"description": "The answer.", **good}, "default": failed}}
    if path == "/score":
        operation["security"] = [{"Bearer": []}]
        operation["requestBody"] = content(ref("ServiceInput"))
    else:
        operation["security"] = []
    if path == "/swagger.json":
        operation["parameters"] = [{"name": "version", "in": "query", "required": False, "schema": {"type": "string"}}]
    return operation


def route(documents: dict[str, Schema]) -> Route:
    """GET /swagger.json?version=2|2.0|3|3.0|3.1, by default 2; 404 for another, or one that the script has not."""
    bodies = {version: json.dumps(each).encode() for version, each in documents.items()}

    def answer(request: Request, reply: Reply) -> None:
        version = parse_qs(request.query.decode("latin-1")).get("version", ["2"])[0]
        have = f"[{', '.join(sorted(bodies))}]"
        if version not in ALIASES:
            raise NotFound(f"Swagger version [{version}] is not valid. Supported versions: {have}.")
        body = bodies.get(ALIASES[version])
        if body is None:
            raise NotFound(
                f"Swagger version [{version}] is not supported for the scoring script. "
                f"Supported swagger versions: {have}."
            )
        reply.send(Response(200, body))

    return Route("/swagger.json", {b"GET": answer}, azure)
