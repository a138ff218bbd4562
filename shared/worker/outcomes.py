"""What came of a work, read from where others' code may have written, and the files that it names."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError

from shared.errors import Permanent
from shared.ports import KeepFile, ReadFile
from shared.resources.job_work import (
    AnyWork,
    DataProfileOutcome,
    DataProfileWork,
    MonitorRunOutcome,
    MonitorRunWork,
    OptimizationOutcome,
    OptimizationWork,
    ProfileOutcome,
    WindowSketchOutcome,
    WindowSketchWork,
)

Outcome = MonitorRunOutcome | DataProfileOutcome | WindowSketchOutcome | ProfileOutcome | OptimizationOutcome


def read_outcome(work: AnyWork, document: bytes) -> Outcome:
    """The outcome of that kind of work. Raises Permanent for what is none."""
    model: type[Outcome] = ProfileOutcome
    if isinstance(work, MonitorRunWork):
        model = MonitorRunOutcome
    elif isinstance(work, DataProfileWork):
        model = DataProfileOutcome
    elif isinstance(work, WindowSketchWork):
        model = WindowSketchOutcome
    elif isinstance(work, OptimizationWork):
        model = OptimizationOutcome
    try:
        return model.model_validate_json(document)
    except ValidationError as error:
        raise Permanent(f"the work left no outcome of its kind: {error.error_count()} faults") from error


async def stored_files(outcome: Outcome, read: ReadFile, keep: KeepFile) -> None:
    """Store every file that the outcome names. Raises Permanent for one that is not what it is said to be: the control
    plane takes what is named for stored."""
    for sha256, size_bytes in _named(outcome):
        stored = await keep(read(sha256))
        if (stored.sha256, stored.size_bytes) != (sha256, size_bytes):
            raise Permanent(f"the file {sha256[:64]} of the outcome has another content than its name says")


def _named(outcome: Outcome) -> Iterator[tuple[str, int]]:
    if isinstance(outcome, OptimizationOutcome) and outcome.result is not None:
        for variant in outcome.result.variants:
            if variant.verified and variant.path:
                yield variant.sha256, variant.size_bytes
    if isinstance(outcome, DataProfileOutcome):
        for file in filter(None, (outcome.profile_file, outcome.sketch_file)):
            yield file.sha256, file.size_bytes
