"""Locks: requirements resolved to exact packages with hashes, by `uv pip compile`, and what changed between two."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from shared.errors import Fault, Invalid

LOCK_NAME = "requirements.lock"
LINE_RULE = "NAME==VERSION with --hash=sha256:... for each file, as `uv pip compile --generate-hashes` writes"
MAX_FAULTS = 100
_PIN = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^]]*\])?\s*==\s*(?P<version>[A-Za-z0-9][A-Za-z0-9.!+_-]*)"
    r"\s*(?:;\s*(?P<marker>.*?))?\s*"
)
_HASH = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Pin:
    """One locked package."""

    name: str  # canonical (PEP 503)
    version: str  # exact (PEP 440)
    marker: str  # where it is installed (PEP 508); "" for everywhere
    hashes: tuple[str, ...]  # sha256:HEX of every file it may be installed from, sorted

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"

    @property
    def line(self) -> str:
        """The pin in one line, the same for the same pin however it was written."""
        marker = f" ; {self.marker}" if self.marker else ""
        return f"{self}{marker} " + " ".join(f"--hash={one}" for one in self.hashes)


def read_lock(text: str) -> tuple[Pin, ...]:
    """The pins of a lock, sorted by name, version and marker; () for an empty one. Raises Invalid with every line that
    pins nothing, has no SHA-256 or a broken one, or is an option (which is not shown whole: it may hold a secret)."""
    pins: set[Pin] = set()
    faults: list[Fault] = []
    for number, line in _logical_lines(text):
        found = _pin(line)
        if isinstance(found, Pin):
            pins.add(found)
        else:
            faults.append(Fault(found, file=LOCK_NAME, line=number, allowed=LINE_RULE))
    if faults:
        remedy = "lock the environment again, do not edit locks"
        raise Invalid("the lock cannot be used", faults=tuple(faults[:MAX_FAULTS]), remedy=remedy)
    return tuple(sorted(pins, key=lambda pin: (pin.name, pin.version, pin.marker)))


def _pin(line: str) -> Pin | str:
    """The pin of a line, or what is wrong with it."""
    if line.startswith("-"):
        option = re.split(r"[\s=]", line, maxsplit=1)[0]
        return f"the option {option[:40]!r} does not belong into a lock"
    head, *hashes = re.split(r"\s+--hash=", line)
    found = _PIN.fullmatch(head.strip())
    if found is None:
        return f"{head.split('@')[0][:60].strip()!r} does not pin a version of the index"
    if not hashes:
        return f"{found['name']}=={found['version']} has no hash"
    if not all(_HASH.fullmatch(each) for each in hashes):
        return f"{found['name']}=={found['version']} has a hash that is no SHA-256"
    return Pin(canonicalize_name(found["name"]), found["version"], found["marker"] or "", tuple(sorted(set(hashes))))


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines without comments, continued ones in one, with the number of their first."""
    parts: list[str] = []
    first = 1
    for number, raw in enumerate((*text.splitlines(), ""), start=1):
        line = re.sub(r"(^|\s)#.*", "", raw).strip()
        first = first if parts else number
        if line.endswith("\\"):
            parts.append(line[:-1].strip())
            continue
        if joined := " ".join([*parts, line]).strip():
            yield first, joined
        parts = []


def dump_lock(pins: Sequence[Pin]) -> str:
    """The lock as a requirements file, a line a pin."""
    return "".join(f"{pin.line}\n" for pin in pins)


@dataclass(frozen=True, slots=True)
class PackageChange:
    """What became of one package from one lock to the other."""

    name: str
    before: str | None  # its versions, with commas; None when it is new
    after: str | None  # None when it is gone


def compare_locks(before: Sequence[Pin], after: Sequence[Pin]) -> tuple[PackageChange, ...]:
    """The packages whose version differs, by name; () for equal ones. A package may have a version for each marker."""
    old, new = _versions(before), _versions(after)
    names = sorted(old.keys() | new.keys())
    return tuple(PackageChange(n, old.get(n), new.get(n)) for n in names if old.get(n) != new.get(n))


def _versions(pins: Sequence[Pin]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for pin in pins:
        found.setdefault(pin.name, []).append(pin.version)
    return {name: ", ".join(dict.fromkeys(versions)) for name, versions in found.items()}
