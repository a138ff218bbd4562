"""Run by validation.py: loads each file of a list as `slipway validate` does. Same arguments and output as
reference_loader.py."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any


def main() -> None:
    """Print {"import_s", "first_s", "again_s", "loaded": [path...]}."""
    began = time.perf_counter()
    from shared.declarations.load import Loader
    from shared.declarations.trees import DiskTree
    from shared.errors import SlipwayError

    imported = time.perf_counter()
    files, folder = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])

    def load_all() -> tuple[float, list[Any]]:
        start, loaded = time.perf_counter(), []
        for path, _, names in files:
            try:
                Loader(DiskTree(folder)).load(path, overrides=names)
            except SlipwayError:
                continue
            loaded.append(path)
        return time.perf_counter() - start, loaded

    first_s, loaded = load_all()
    again_s, _ = load_all()
    print(json.dumps({"import_s": imported - began, "first_s": first_s, "again_s": again_s, "loaded": loaded}))


if __name__ == "__main__":
    main()
