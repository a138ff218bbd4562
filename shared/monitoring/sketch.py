"""`python -m shared.monitoring.sketch DATASET.json SKETCH [PROFILE.json]`: a DataSet in; its sketch, which stands for
it as a baseline, and its profile out.

Exits with 0 when they were written; with 1 and the reason on standard error otherwise.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from shared.errors import Invalid, SlipwayError
from shared.resources.data_profile import DataProfile
from shared.resources.monitor_request import DataSet


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if len(given) not in (2, 3):
        sys.stderr.write("usage: python -m shared.monitoring.sketch DATASET.json SKETCH [PROFILE.json]\n")
        return 1
    try:
        _write(DataSet.model_validate_json(Path(given[0]).read_bytes()), given[1], given[2] if len(given) > 2 else "")
    except ModuleNotFoundError as error:
        sys.stderr.write(f"{error.name} is not installed\nTo do: pip install 'slipway[monitoring]'\n")
        return 1
    except (SlipwayError, ValidationError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _write(data: DataSet, sketch_path: str, profile_path: str) -> None:
    from shared.monitoring.profile import profile_of
    from shared.monitoring.rows import Rows
    from shared.monitoring.sides import plans_of
    from shared.monitoring.sketches import storage
    from shared.monitoring.sketches.dataset import sketch_rows

    rows = Rows(data)
    if not rows.schema:
        raise Invalid("the data set has no columns", remedy="name files with rows")
    sketch = sketch_rows(rows, plans_of(list(rows.schema), rows.schema, {}))
    storage.write(sketch, sketch_path)
    if profile_path:
        document = DataProfile(rows=sketch.rows, counts=sketch.counts, columns=profile_of(sketch))
        part = Path(f"{profile_path}.part")
        part.write_text(json.dumps(document.model_dump(mode="json"), allow_nan=False))
        part.replace(profile_path)


if __name__ == "__main__":
    sys.exit(main())
