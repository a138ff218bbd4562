"""Run by validation.py with the Python of azure-ai-ml's own environment: loads each file of a list with `load_*`.

Arguments: the list (JSON: [[path, loader, names given]...]), the folder the paths are relative to. Prints JSON.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import warnings
from pathlib import Path


def main() -> None:
    """Print {"import_s", "load_s", "loaded": [path...]}."""
    began = time.perf_counter()
    from azure.ai.ml.entities import _load_functions as ml  # two of them are not exported at the top

    loaders = {
        name: getattr(ml, f"load_{name}")
        for name in ("model", "environment", "data", "component", "job", "online_endpoint", "online_deployment",
                     "batch_endpoint", "model_batch_deployment", "pipeline_component_batch_deployment",
                     "batch_deployment", "schedule", "model_package")
    }  # fmt: skip
    imported = time.perf_counter()
    loaded = []
    for path, loader, names in json.loads(Path(sys.argv[1]).read_text()):
        try:
            loaders[loader](Path(sys.argv[2]) / path, params_override=[names] if names else [])
        except Exception:  # noqa: BLE001  # files that name what the corpus does not hold are left out of the comparison
            continue
        loaded.append(path)
    done = time.perf_counter()
    print(json.dumps({"import_s": imported - began, "load_s": done - imported, "loaded": loaded}))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    main()
