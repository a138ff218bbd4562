"""The function app: light to import, complete, and in step with the table of REST operations."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from shared.api.openapi import openapi
from shared.api.operations import OPERATIONS
from shared.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
HEAVY = (
    "aiohttp", "azure.core", "azure.cosmos", "azure.eventgrid", "azure.identity", "azure.storage", "cryptography",
    "httpx", "jsonschema", "numpy", "onnxruntime", "pydantic", "requests", "shared", "sqlite3", "yaml",
)  # fmt: skip


def in_fresh_process(code: str) -> Any:
    """What `code` prints as JSON, in a new interpreter at the project's root."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


INDEX = """
import json, function_app
print(json.dumps([
    {"name": f.get_function_name(), "trigger": f.get_trigger().get_dict_repr()}
    for f in function_app.app.get_functions()
], default=str))
"""


@pytest.fixture(scope="module")
def functions() -> dict[str, dict[str, Any]]:
    return {function["name"]: function["trigger"] for function in in_fresh_process(INDEX)}


def test_importing_the_app_imports_nothing_heavy() -> None:
    """Cold start is what people feel: SDKs and pydantic come with the first invocation."""
    loaded = in_fresh_process("import json, sys, function_app; print(json.dumps(sorted(sys.modules)))")
    assert [name for name in loaded if name.startswith(HEAVY)] == []


def test_there_is_a_function_for_each_operation_with_its_route(functions: dict[str, dict[str, Any]]) -> None:
    http = {name: trigger for name, trigger in functions.items() if trigger["type"] == "httpTrigger"}
    found = {name: (t["route"], t["methods"], str(t["authLevel"])) for name, t in http.items() if name != "openapi"}
    level = {True: "ANONYMOUS", False: "FUNCTION"}
    expected = {o.id: (o.path, [o.method], level[o.anonymous]) for o in OPERATIONS.values()}
    assert {name: (r, m, a.rpartition(".")[2].upper()) for name, (r, m, a) in found.items()} == expected


def test_the_other_triggers(functions: dict[str, dict[str, Any]]) -> None:
    found = {name: t["type"] for name, t in functions.items() if t["type"] != "httpTrigger"}
    assert found == {
        "storage_event": "eventGridTrigger",
        "lifecycle_event": "eventGridTrigger",
        "container_registry_event": "eventGridTrigger",
        "reconcile": "queueTrigger",
        "reconcile_poison": "queueTrigger",
        "sweep_outbox": "timerTrigger",
        "look_again": "timerTrigger",
        "start_monitor_runs": "timerTrigger",
        "expire_staged": "timerTrigger",
        "collect_unused_artifacts": "timerTrigger",
    }
    assert functions["reconcile_poison"]["queueName"] == functions["reconcile"]["queueName"] + "-poison"


def test_bodies_are_thin() -> None:
    """Parse, one call, return: no function of a Blueprint has more than five statements."""
    for path in (ROOT / "functions").glob("*.py"):
        if path.name == "__init__.py":
            continue
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.AsyncFunctionDef):
                assert len(node.body) <= 6, f"{path.name}: {node.name}"


def test_openapi_is_a_valid_document() -> None:
    from openapi_spec_validator import validate

    document = openapi()
    validate(document)
    operations = [op for path in document["paths"].values() for op in path.values()]
    assert {op["operationId"] for op in operations} == set(OPERATIONS)
    assert all(op["summary"] for op in operations)


def test_every_setting_is_described_and_documented() -> None:
    undescribed = [name for name, field in Settings.model_fields.items() if not field.description]
    assert undescribed == []
    text = (ROOT / "docs" / "settings.md").read_text()
    missing = [name for name in Settings.model_fields if f"SLIPWAY_{name.upper()}" not in text]
    assert missing == []


def test_no_dependency_has_our_package_names() -> None:
    """On Azure the app's folder comes last on sys.path, so a clash would hide our code."""
    ours = {"shared", "functions", "function_app"}
    clashes = {name: owners for name, owners in metadata.packages_distributions().items() if name in ours}
    assert {owner for owners in clashes.values() for owner in owners} <= {"slipway"}


def test_what_is_published_holds_no_tests_or_local_parts() -> None:
    ignored = (ROOT / ".funcignore").read_text().split()
    for part in ("tests", ".venv", ".slipway", "shared/cli", "shared/local_host", "local.settings.json", "examples"):
        assert part in ignored


def test_what_is_published_can_reach_clusters() -> None:
    """The extra of the computes that infra/bicep makes is a part of what is installed on Azure."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["kubernetes"]
    names = {re.split(r"[<>=;\[ ]", each, maxsplit=1)[0].lower() for each in wanted}
    locked = set(re.findall(r"^([a-z0-9._-]+)==", (ROOT / "requirements.txt").read_text().lower(), re.MULTILINE))
    assert names <= locked


def test_runtime_requirements_are_locked_without_an_index() -> None:
    for name in ("requirements.txt", "requirements-local.txt", "requirements-dev.txt"):
        text = (ROOT / name).read_text()
        pinned = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
        assert all("==" in line for line in pinned), name
        assert text.count("--hash=sha256:") >= len(pinned), name
        assert "://" not in text, name
