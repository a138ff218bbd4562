"""Run by validation.py with the Python of azure-ai-ml's own environment: loads each file of a list twice.

Arguments: the list (JSON: [[path, loader, names given]...]), the folder the paths are relative to. Prints JSON.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import warnings
from pathlib import Path
from typing import Any


def main() -> None:
    """Print {"import_s", "first_s", "again_s", "loaded": [path...]}."""
    began = time.perf_counter()
    from azure.ai.ml.entities import _load_functions as loaders  # two of them are not exported at the top

    imported = time.perf_counter()
    files, folder = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])

    def load_all() -> tuple[float, list[Any]]:
        start, loaded = time.perf_counter(), []
        for path, loader, names in files:
            try:
                getattr(loaders, f"load_{loader}")(folder / path, params_override=[names] if names else [])
            except Exception:  # noqa: BLE001  # what names files that the corpus lacks is left out of the comparison
                continue
            loaded.append(path)
        return time.perf_counter() - start, loaded

    first_s, loaded = load_all()
    again_s, _ = load_all()
    print(json.dumps({"import_s": imported - began, "first_s": first_s, "again_s": again_s, "loaded": loaded}))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    main()
