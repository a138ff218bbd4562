"""`python -m shared.monitoring.worker REQUEST.json RESULT.json`: a MonitorRequest in, a MonitorResult out.

Or RowsAsked, when it needs rows where it was given sketches of hours. Exits with 0 when one of the two was written,
whatever it says; with 1 and the reason on standard error otherwise.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from shared.errors import SlipwayError
from shared.resources.monitor_request import MonitorRequest
from shared.resources.monitor_result import MonitorResult, RowsAsked


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if len(given) != 2:
        sys.stderr.write("usage: python -m shared.monitoring.worker REQUEST.json RESULT.json\n")
        return 1
    try:
        request = MonitorRequest.model_validate_json(Path(given[0]).read_bytes())
        result = _answer(request)
    except ModuleNotFoundError as error:
        sys.stderr.write(f"{error.name} is not installed\nTo do: pip install 'slipway[monitoring]'\n")
        return 1
    except (SlipwayError, ValidationError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    part = Path(f"{given[1]}.part")
    part.write_text(result.model_dump_json())
    part.replace(given[1])
    return 0


def _answer(request: MonitorRequest) -> MonitorResult | RowsAsked:
    from shared.monitoring.rows_needed import RowsNeeded
    from shared.monitoring.run import run

    try:
        return run(request)
    except RowsNeeded as needed:
        return RowsAsked(rows_of=needed.windows)


if __name__ == "__main__":
    sys.exit(main())
