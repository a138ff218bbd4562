"""The process that looks into files: a job as JSON on standard input, what was found as JSON on standard output.

It limits itself before it reads anything: memory, processor time, the size of files it may write.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import sys
from collections.abc import Callable
from typing import Any

NICE = 10  # others go first
MAX_WRITTEN_BYTES = 2 * 2**30  # of a pickle that is decompressed


def main() -> None:
    """One job."""
    job = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_AS, (job["memory_bytes"], job["memory_bytes"]))
    resource.setrlimit(resource.RLIMIT_CPU, (job["cpu_s"], job["cpu_s"]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_WRITTEN_BYTES, MAX_WRITTEN_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(NICE)
    os.chdir(job["folder"])
    logging.disable(logging.CRITICAL)  # the scanner's words; standard output is the answer's
    found: dict[str, list[Any]] = {"onnx": [], "pickles": [], "skipped": []}
    for path, kind in job["files"].items():
        look = _look_into_onnx if kind == "onnx" else _look_into_pickle
        try:
            look(path, found)
        except MemoryError:
            found["skipped"].append(
                {"path": path, "reason": f"it needs more than {job['memory_bytes']} bytes of memory"}
            )
        except Exception as error:  # noqa: BLE001 - whatever a parser raises on hostile bytes is said of the file
            reason = f"{type(error).__name__}: {str(error)[:300]}"
            found["skipped"].append({"path": path, "reason": reason})
    sys.stdout.write(json.dumps(found))


def _look_into_onnx(path: str, found: dict[str, list[Any]]) -> None:
    from shared.inspection.onnx_check import check

    found["onnx"].append(check(path))


def _look_into_pickle(path: str, found: dict[str, list[Any]]) -> None:
    from shared.inspection.pickle_scan import scan

    scanner: Callable[[str], dict[str, Any] | None] = scan
    if (result := scanner(path)) is not None:
        found["pickles"].append(result)


if __name__ == "__main__":
    main()
