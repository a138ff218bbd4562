"""`python -m shared.monitors RESULT.json [--history RESULT.json]... [--html FILE]`: the report of a run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from shared.monitors.report_html import report_html
from shared.monitors.report_markdown import report_markdown
from shared.resources.monitor_result import MonitorResult


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, or 1 for a file that is no result."""
    parser = argparse.ArgumentParser(prog="python -m shared.monitors", description=__doc__)
    parser.add_argument("result", type=Path, help="of shared.monitoring.worker")
    parser.add_argument("--history", type=Path, action="append", default=[], help="an earlier result; repeatable")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the page there")
    asked = parser.parse_args(arguments)
    try:
        result, *history = [
            MonitorResult.model_validate_json(path.read_bytes()) for path in (asked.result, *asked.history)
        ]
    except (OSError, ValidationError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if asked.html:
        asked.html.write_text(report_html(result, history))
    sys.stdout.write(report_markdown(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
