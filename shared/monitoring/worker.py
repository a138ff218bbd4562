"""`python -m shared.monitoring.worker REQUEST.json RESULT.json`: a MonitorRequest in, a MonitorResult out.

Exits with 0 when a result was written, whatever it says; with 1 and the reason on standard error otherwise.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from shared.errors import SlipwayError
from shared.resources.monitor_request import MonitorRequest


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if len(given) != 2:
        sys.stderr.write("usage: python -m shared.monitoring.worker REQUEST.json RESULT.json\n")
        return 1
    try:
        request = MonitorRequest.model_validate_json(Path(given[0]).read_bytes())
        from shared.monitoring.run import run

        result = run(request)
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


if __name__ == "__main__":
    sys.exit(main())
