"""Loads an entry script and finds out how its run() is called (azureml-inference-server-http 1.5.1, user_script.py)."""

from __future__ import annotations

import importlib.util
import inspect
import itertools
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from shared.scoring.errors import StartError
from shared.scoring.logs import LOGGER
from shared.scoring.scripts import shims
from shared.scoring.scripts.raw_http import RawHttp

LISTED_LINES = 200  # of the model's folder, when init() fails
_BY_NAME = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True, slots=True)
class EntryScript:
    """A loaded script. `mode` is text, objects (decorated with @input_schema) or raw (@rawhttp)."""

    path: str
    init: Callable[[], Any]
    run: Callable[..., Any]
    mode: str
    parameters: tuple[inspect.Parameter, ...]  # without request_headers
    takes_headers: bool


def load(app_root: Path, script: str, source_directory: str) -> EntryScript:
    """The script, imported; "" is the module `main` of the app root. Raises StartError with the traceback when it can't
    be imported, lacks init() or run(), or has a run() that can't be called."""
    _forget(app_root)
    shims.install()
    for folder in (str(app_root), str(app_root / source_directory) if source_directory else ""):
        if folder and folder not in sys.path:
            sys.path.append(folder)
    path = app_root / (script or "main.py")
    if path.suffix != ".py":
        raise StartError(f"the entry script {path.name} is no .py file")
    module = _import(path)
    for name in ("init", "run"):
        if not hasattr(module, name):
            raise StartError(f"User script at {path} does not have a {name}() function defined.")
    inner = getattr(module, "driver_module", None)  # Azure's SDKs put a driver before some scripts
    run = inner.run if isinstance(inner, ModuleType) and hasattr(inner, "run") else module.run
    return _analyzed(str(path), module.init, run)


def _forget(app_root: Path) -> None:
    """What an earlier version of the script has left in the process: its modules, @rawhttp and schemas."""
    RawHttp.requested = False
    installed = sys.modules.get(f"{shims.SERVER}.api.aml_request")
    if installed is not None and hasattr(installed, "_rawHttpRequested"):
        vars(installed)["_rawHttpRequested"] = False
    tools = schema_tools()
    if tools is not None:
        for known in (tools.__functions_schema__, tools.__versions__):
            known.pop("entry_module.run", None)
    root = f"{app_root.resolve()}{os.sep}"
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(root) and not name.startswith(("shared.", "__main__")):
            del sys.modules[name]
    importlib.invalidate_caches()


def _import(path: Path) -> ModuleType:
    if not path.is_file():
        beside = ", ".join(sorted(each.name for each in path.parent.iterdir())[:20]) if path.parent.is_dir() else ""
        raise StartError(f"there is no entry script {path}; its folder has: {beside or 'nothing, or is not there'}")
    spec = importlib.util.spec_from_file_location("entry_module", path)
    if spec is None or spec.loader is None:
        raise StartError(f"{path} can't be imported")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException as error:  # also SystemExit of the script
        raise StartError(f"Failed to import user script:\n{traceback.format_exc()}") from error
    return module


def _analyzed(path: str, init: Callable[[], Any], run: Callable[..., Any]) -> EntryScript:
    parameters = tuple(inspect.signature(run).parameters.values())
    if any(each.kind not in _BY_NAME for each in parameters):
        raise StartError("run() cannot accept positional-only arguments, *args, or **kwargs.")
    others = tuple(each for each in parameters if each.name != "request_headers")
    takes_headers = len(others) < len(parameters)
    if not others:
        what = 'other than "request_headers"' if takes_headers else "for input data"
        raise StartError(f"run() needs to accept an argument {what}.")
    raw, decorated = shims.raw_http_is_asked_for(), _is_decorated(run)
    if raw and decorated:
        raise StartError("run() cannot be decorated with both @rawhttp and @input_schema")
    mode = "raw" if raw else "objects" if decorated else "text"
    return EntryScript(path, init, run, mode, others, takes_headers)


def schema_tools() -> Any:
    """The module inference_schema.schema_util when the script has imported it, else None."""
    return sys.modules.get("inference_schema.schema_util")


def _is_decorated(run: Callable[..., Any]) -> bool:
    tools = schema_tools()
    return tools is not None and bool(tools.is_schema_decorated(run))


def initialize(script: EntryScript, model_dir: Path | None) -> None:
    """Call init(). Raises StartError with the traceback when it fails, after logging what the model's folder holds."""
    try:
        script.init()
    except BaseException as error:  # also SystemExit of the script
        text = traceback.format_exc()
        if model_dir is not None and model_dir.exists():
            lines = list(itertools.islice(_tree(model_dir, 0), LISTED_LINES + 1))
            LOGGER.info("Model Directory Contents:\n%s", "\n".join(lines[:LISTED_LINES]))
            if len(lines) > LISTED_LINES:
                LOGGER.info("Output Truncated. First %d lines shown.", LISTED_LINES)
        raise StartError(f"User's init function failed:\n{text}") from error


def _tree(path: Path, depth: int) -> Iterator[str]:
    yield f"{'    ' * depth}{path.name}{os.sep if path.is_dir() else ''}"
    if path.is_dir() and not path.is_symlink():
        for child in sorted(path.iterdir()):
            yield from _tree(child, depth + 1)
