"""The process that looks into files: a job as JSON on standard input, what was found as lines of JSON on standard
output, one a file, so that what was found before a crash is kept.

It limits itself before it reads anything: memory, processor time, open files, the size of files it may write.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import sys
from typing import Any

NICE = 10  # others go first
MAX_WRITTEN_BYTES = 2 * 2**30  # of a pickle that is decompressed
MAX_OPEN_FILES = 256
MAX_LINE_BYTES = 256 * 1024  # of what is said of one file


def main() -> None:
    """One job."""
    job = json.load(sys.stdin)
    _limit(resource.RLIMIT_AS, job["memory_bytes"])
    _limit(resource.RLIMIT_CPU, job["cpu_s"])
    _limit(resource.RLIMIT_FSIZE, MAX_WRITTEN_BYTES)
    _limit(resource.RLIMIT_NOFILE, MAX_OPEN_FILES)
    _limit(resource.RLIMIT_CORE, 0)
    os.nice(NICE)
    os.chdir(job["folder"])
    logging.disable(logging.CRITICAL)  # the scanner's words; standard output is the answer's
    for path, kind in job["files"].items():
        sys.stdout.write(_line(path, _found(path, kind, job["memory_bytes"])) + "\n")
        sys.stdout.flush()


def _limit(what: int, value: int) -> None:
    """Never above what this process may have already."""
    _, hard = resource.getrlimit(what)
    allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (allowed, allowed))


def _line(path: str, found: dict[str, Any]) -> str:
    line = json.dumps(found | {"path": path})
    if len(line) > MAX_LINE_BYTES:
        return json.dumps({"path": path, "skipped": f"what is in it is described by more than {MAX_LINE_BYTES} bytes"})
    return line


def _found(path: str, kind: str, memory_bytes: int) -> dict[str, Any]:
    """{"onnx": ...}, {"pickle": ...} or {"skipped": why}; nothing for a file that holds no pickle."""
    try:
        if kind == "onnx":
            from shared.inspection.onnx_check import check

            return {"onnx": check(path)}
        from shared.inspection.pickle_scan import scan

        result = scan(path)
    except MemoryError:
        return {"skipped": f"it needs more than {memory_bytes} bytes of memory"}
    except Exception as error:  # noqa: BLE001 - whatever a parser raises on hostile bytes is said of the file
        return {"skipped": f"{type(error).__name__}: {str(error)[:300]}"}
    return {} if result is None else {"pickle": result}


if __name__ == "__main__":
    main()
