"""Pickles one after another in a file, by picklescan, which reads their opcodes and never runs them.

Runs in the worker process only. picklescan says nothing of bytes that it cannot parse, so what was parsed is counted
here a second time.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any

from shared.inspection.candidates import PICKLE

if TYPE_CHECKING:  # the shapes bring pydantic, which would double what starting the worker takes
    from shared.resources.inspection import Severity

SEVERITIES: tuple[Severity, ...] = ("dangerous", "suspicious", "unreadable", "safe")  # worst first
MAX_GLOBALS = 100
MAX_PROBLEM = 300
TORCH_PICKLES = 5  # torch.serialization._legacy_load: magic number, protocol, system, the object, keys of storages


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found in one pickle file, or in one member of an archive."""

    severity: Severity
    names: frozenset[tuple[int, str]] = frozenset()  # (rank of its severity, module.name) of what it imports
    problem: str | None = None  # why it could not be looked into as a whole
    member: str | None = None  # of which member of an archive this is said


def unreadable(problem: str) -> Finding:
    """A finding that is not safe, because nobody could look."""
    return Finding("unreadable", problem=problem[:MAX_PROBLEM])


def worst_of(findings: Iterable[Finding]) -> Finding | None:
    """The worst one, with the imports of all; None when there are none."""
    ordered = sorted(findings, key=lambda one: SEVERITIES.index(one.severity))
    if not ordered:
        return None
    problem = next((one for one in ordered if one.problem), ordered[0]).problem
    names = frozenset().union(*(one.names for one in ordered))
    return replace(ordered[0], names=names, problem=problem)


def look(file: IO[bytes], name: str, *, certain: bool) -> Finding | None:
    """What the pickles from the file's position to its end import; None when these are no pickles and the name did
    not promise any (`certain`)."""
    start = file.tell()
    first = file.read(2)
    if not first:
        return unreadable("it is empty") if certain else None
    is_promised = certain or first.startswith(PICKLE)
    file.seek(start)
    count, broken, storages = _complete_pickles(file)
    file.seek(start)
    names, refused = _imports(file, name)
    if not names and broken and not is_promised and not (count and refused):
        return None  # raw weights and other data
    if storages is not None:  # raw numbers, which no loader unpickles and the scanner may stumble over
        broken = None
    if storages is not None and refused:
        file.seek(start)
        names, refused = _imports(io.BytesIO(file.read(storages - start)), name)
    if broken and not names and not count:
        return unreadable(f"it is not a pickle: {broken}")
    return _judged(names, refused or (f"it could not be read to its end: {broken}" if broken else None))


def _judged(names: frozenset[tuple[int, str]], problem: str | None) -> Finding:
    worst = min((rank for rank, _ in names), default=len(SEVERITIES) - 1)
    if problem and SEVERITIES[worst] == "safe":
        return Finding("unreadable", names, problem[:MAX_PROBLEM])
    return Finding(SEVERITIES[worst], names, problem[:MAX_PROBLEM] if problem else None)


def _complete_pickles(file: IO[bytes]) -> tuple[int, str | None, int | None]:
    """How many there are, why the rest is none (None: no rest), where PyTorch's storages begin (None: not its file)."""
    from picklescan.torch import MAGIC_NUMBER  # type: ignore[import-untyped]

    count, is_torch, storages = 0, False, None
    while True:
        here = file.tell()
        storages = here if is_torch and count == TORCH_PICKLES else storages
        if not file.read(1):
            return count, None, storages
        file.seek(here)
        try:
            for _, argument, _ in pickletools.genops(file):
                is_torch = is_torch or (count == 0 and argument == MAGIC_NUMBER)
        except Exception as error:  # noqa: BLE001 - pickletools raises many kinds for what is no pickle
            return count, str(error)[:200] or type(error).__name__, storages
        count += 1


def _imports(file: IO[bytes], name: str) -> tuple[frozenset[tuple[int, str]], str | None]:
    """What they import, and why not all of it may have been found."""
    from picklescan.scanner import scan_pickle_bytes  # type: ignore[import-untyped]

    start = file.tell()
    try:
        return _ranked(scan_pickle_bytes(file, name)), None
    except (ValueError, OSError, IndexError, TypeError, AttributeError) as error:  # the first one still counts
        problem = f"the scanner cannot follow it: {error}"
    file.seek(start)
    try:
        return _ranked(scan_pickle_bytes(file, name, multiple_pickles=False)), problem
    except (ValueError, OSError, IndexError, TypeError, AttributeError):
        return frozenset(), problem


def _ranked(result: Any) -> frozenset[tuple[int, str]]:
    ranks = {"innocuous": "safe"}
    return frozenset(
        (SEVERITIES.index(ranks.get(found.safety.value, found.safety.value)), f"{found.module}.{found.name}"[:200])
        for found in result.globals
    )
