"""Where each worker begins: a request as JSON goes in, result.json of the working directory comes out."""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from pathlib import Path
from typing import Any

WORKERS = ("convert", "variants", "measure", "original")


def main(name: str, request: str) -> None:
    """Run the worker; what it raises becomes the result's `error`."""
    if name not in WORKERS:
        raise SystemExit(f"there is no worker {name}; there are {', '.join(WORKERS)}")
    warnings.simplefilter("ignore")
    module = importlib.import_module(f"workers.{name}")
    try:
        result: dict[str, Any] = module.run(json.loads(request))
    except MemoryError:
        result = {"error": "it needs more memory than its limit"}
    except Exception as error:  # noqa: BLE001 - whatever a framework raises on a model is the reason of the failure
        result = {"error": f"{type(error).__name__}: {str(error)[:2000]}"}
    Path("result.json").write_text(json.dumps(result))
    sys.stdout.flush()


def say(line: str) -> None:
    """A line of progress for people."""
    print(f"progress: {line}", flush=True)  # noqa: T201 - standard output is the sandbox's
