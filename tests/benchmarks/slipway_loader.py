"""Run by validation.py: loads each file of a list as `slipway validate` does. Same arguments and output as
reference_loader.py."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def main() -> None:
    """Print {"import_s", "load_s", "loaded": [path...]}."""
    began = time.perf_counter()
    from shared.declarations.load import Loader
    from shared.declarations.trees import DiskTree
    from shared.errors import SlipwayError

    imported = time.perf_counter()
    loaded = []
    for path, _, names in json.loads(Path(sys.argv[1]).read_text()):
        try:
            Loader(DiskTree(Path(sys.argv[2]))).load(path, overrides=names)
        except SlipwayError:
            continue
        loaded.append(path)
    done = time.perf_counter()
    print(json.dumps({"import_s": imported - began, "load_s": done - imported, "loaded": loaded}))


if __name__ == "__main__":
    main()
