"""Microsoft's own worker judges the function app, and judges as the local host does.

The worker library of Python 3.13 and later (PyPI azure-functions-runtime, pure Python) is unpacked into build/ and run
on this Python. Its messages to the host (protobuf) stay plain objects: what is run is its indexing, not its transport.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, List, Optional  # noqa: UP035 - what users write

import azure.functions as func
import pytest

from shared.errors import Invalid
from shared.local_host.app_loader import index_app, load_functions
from shared.local_host.host_settings import parse_host_json, read_host_json

ROOT = Path(__file__).parents[2]
VERSION = "1.3.0"
SHA256 = "5045cf1e1a9a33ff262043eb52cf976834d2f2b6c67c20da61588fe7dc2fcf64"
WORKER = ROOT / "build" / f"azure-functions-runtime-{VERSION}"
INDEX_APP = """
import json, sys
from types import SimpleNamespace
sys.path.insert(0, sys.argv[1])
sys.path.append(sys.argv[2])  # as on Azure: the app's folder is the last
class Message(SimpleNamespace):
    pass
class BindingInfo(Message):
    undefined, out, inout = 0, 1, 2
from azure_functions_runtime import handle_event
from azure_functions_runtime.bindings.meta import load_binding_registry
handle_event.protos = SimpleNamespace(BindingInfo=BindingInfo, RpcFunctionMetadata=Message, RpcRetryOptions=Message)
load_binding_registry()
handle_event.load_function_metadata(sys.argv[2], "test")
json.dump([[f.name, [json.loads(b) for b in f.raw_bindings]] for f in handle_event._metadata_result], sys.stdout)
"""


@pytest.fixture(scope="session")
def worker() -> Path:
    """The folder with the worker's package."""
    if (WORKER / "azure_functions_runtime").is_dir():
        return WORKER
    downloads = WORKER.with_name(f"{WORKER.name}.{os.getpid()}")
    downloads.mkdir(parents=True)
    requirement = downloads / "requirement.txt"
    requirement.write_text(f"azure-functions-runtime=={VERSION} --hash=sha256:{SHA256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    command += ["--ignore-requires-python", "--require-hashes", "--dest", str(downloads), "-r", str(requirement)]
    subprocess.run(command, check=True, timeout=120)
    for wheel in downloads.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(downloads)
    if not WORKER.exists():
        downloads.rename(WORKER)
    return WORKER


def test_the_real_worker_indexes_the_function_app_as_the_local_host_does(worker: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", INDEX_APP, str(worker), str(ROOT)]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    indexed = {name: bindings for name, bindings in json.loads(result.stdout)}
    functions = {function.name: function for function in load_functions()}
    assert set(indexed) == set(functions)
    for name, bindings in indexed.items():
        trigger = next(binding for binding in bindings if binding["type"].endswith("Trigger"))
        function = functions[name]
        assert (trigger["type"], trigger["name"]) == (function.trigger_type, function.parameter)
        if function.trigger_type == "httpTrigger":
            assert (trigger["route"], tuple(trigger["methods"])) == (function.route, function.methods)
            assert trigger["authLevel"].lower() == function.auth_level


def test_the_app_is_one_that_azure_takes() -> None:
    functions = load_functions()
    assert {"storage_event", "lifecycle_event", "reconcile", "reconcile_poison"} <= {f.name for f in functions}
    for function in functions:
        connection = str(function.settings.get("connection") or "")
        assert "AccountKey" not in connection, f"{function.name} must have an identity-based connection"
    parse_host_json(read_host_json(ROOT / "host.json"))


def test_no_dependency_hides_a_package_of_the_app() -> None:
    """On Azure the app's folder is the last of sys.path."""
    providers = importlib.metadata.packages_distributions()
    for name in ("functions", "shared", "function_app"):
        assert set(providers.get(name, [])) <= {"slipway"}


# --- one verdict ----------------------------------------------------------------------------------------------------
def optional(req: Optional[func.HttpRequest]) -> str: ...  # noqa: UP045
def union(req: func.HttpRequest | None) -> str: ...
def optional_return(req: func.HttpRequest) -> Optional[str]: ...  # noqa: UP045
def dict_return(req: func.HttpRequest) -> dict: ...  # type: ignore[type-arg]
def wrong_type(req: func.QueueMessage) -> str: ...
def other_name(request: func.HttpRequest) -> str: ...
def extra(req: func.HttpRequest, extra: int = 0) -> str: ...
def unknown(req: NotImported) -> str: ...  # type: ignore[name-defined]  # noqa: F821
def wrong_context(req: func.HttpRequest, context: int) -> str: ...
def plain(req: func.HttpRequest) -> func.HttpResponse: ...
def bare(req): ...  # type: ignore[no-untyped-def]
def text(req: str) -> str: ...
def with_context(req: func.HttpRequest, context: func.Context) -> str: ...
async def coroutine(req: func.HttpRequest) -> str: ...
def events(event: List[func.EventGridEvent]) -> None: ...  # noqa: UP006
def event(event: func.EventGridEvent) -> None: ...
def cloud_event(event: func.CloudEvent) -> None: ...
def bare_event(event): ...  # type: ignore[no-untyped-def]
def message(message: func.QueueMessage) -> None: ...
def message_bytes(message: bytes) -> None: ...
def message_dict(message: dict) -> None: ...  # type: ignore[type-arg]
def timer(timer: func.TimerRequest) -> None: ...
def timer_datetime(timer: int) -> None: ...


HTTP = [optional, union, optional_return, dict_return, wrong_type, other_name, extra, unknown, wrong_context]
HTTP += [plain, bare, text, with_context, coroutine]
CASES = [(function, "route", {"trigger_arg_name": "req"}) for function in HTTP]
CASES += [
    (function, "event_grid_trigger", {"arg_name": "event"}) for function in (events, event, cloud_event, bare_event)
]
QUEUE = {"arg_name": "message", "queue_name": "q", "connection": "C"}
CASES += [(function, "queue_trigger", QUEUE) for function in (message, message_bytes, message_dict)]
CASES += [(f, "timer_trigger", {"arg_name": "timer", "schedule": "0 * * * * *"}) for f in (timer, timer_datetime)]


@pytest.fixture(scope="session")
def registry_module(worker: Path) -> ModuleType:
    sys.path.insert(0, str(worker))
    try:
        importlib.import_module("azure_functions_runtime.bindings.meta").load_binding_registry()
        return importlib.import_module("azure_functions_runtime.functions")
    finally:
        sys.path.remove(str(worker))


@pytest.mark.parametrize(("function", "decorate", "settings"), CASES, ids=lambda case: getattr(case, "__name__", ""))
def test_both_load_the_same_functions(
    function: Any, decorate: str, settings: dict[str, Any], registry_module: ModuleType
) -> None:
    app = func.FunctionApp()
    getattr(app, decorate)(**settings)(function)
    try:
        index_app(app)
        ours = True
    except Invalid:
        ours = False
    app.functions_bindings = {}
    protos = SimpleNamespace(BindingInfo=SimpleNamespace(undefined=0, out=1, inout=2))
    try:
        registry_module.Registry().add_indexed_function(app.get_functions()[0], protos)
        theirs = True
    except Exception:  # noqa: BLE001 - whatever it raises, Azure does not load the function
        theirs = False
    assert ours == theirs
