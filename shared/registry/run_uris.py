"""URIs of a run's files: MLflow's `runs:/RUN_ID/PATH` (MLflow, "Artifact Stores") and Azure ML's
`azureml://jobs/RUN_ID/outputs/artifacts/paths/PATH` (Azure ML, CLI v2 core syntax)."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

from shared.errors import Invalid
from shared.paths import is_under, normal_path
from shared.resources.base import is_valid_name
from shared.sources.uris import without_query

FORMS = "runs:/RUN_ID/PATH, azureml://jobs/RUN_ID/outputs/artifacts/paths/PATH"
_FORMS = (
    re.compile(r"runs:/(?P<run_id>[^/]+)(?:/(?P<path>.*))?", re.DOTALL),
    re.compile(r"azureml://jobs/(?P<run_id>[^/]+)/outputs/artifacts(?:/paths(?:/(?P<path>.*))?)?/?", re.DOTALL),
)


@dataclass(frozen=True, slots=True)
class RunPath:
    """A file or folder of a run."""

    run_id: str
    path: str  # '/'-separated; "" for all files of the run

    def __str__(self) -> str:
        return f"{self.run_id}/{self.path}" if self.path else self.run_id

    def holds(self, path: str) -> bool:
        """Whether the file `path` is the one that is named, or is in the folder that is named."""
        return is_under(path, self.path)

    def relative(self, path: str) -> str:
        """`path` relative to the folder that holds what is named, so that its name is kept."""
        parent = posixpath.dirname(self.path)
        return path[len(parent) + 1 :] if parent else path


def run_path(uri: str) -> RunPath:
    """What a URI names. Raises Invalid with the forms that are understood."""
    match = next((match for form in _FORMS if (match := form.fullmatch(uri))), None)
    path = normal_path(match["path"] or "") if match else None
    if match is None or path is None or not is_valid_name(match["run_id"]):
        raise Invalid(f"{without_query(uri)!r} names no file of a run (allowed: {FORMS})")
    return RunPath(match["run_id"], path)
