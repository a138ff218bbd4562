"""Locks: requirements resolved to exact packages with hashes, by `uv pip compile`, and what changed between two."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from shared.errors import Invalid

_PIN = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?==(?P<version>[^\s;\\]+)\s*(?:;\s*(?P<marker>.*))?"
)
_HASH = re.compile(r"--hash=(sha(?:256|384|512):[0-9a-f]{64,128})")


@dataclass(frozen=True, slots=True)
class Pin:
    """One locked package."""

    name: str  # canonical (PEP 503)
    version: str  # exact (PEP 440)
    marker: str  # where it is installed (PEP 508); "" for everywhere
    hashes: tuple[str, ...]  # ALGORITHM:HEX of every file it may be installed from, sorted

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"

    @property
    def line(self) -> str:
        """The pin in one line, the same for the same pin however it was written."""
        marker = f" ; {self.marker}" if self.marker else ""
        return f"{self}{marker} " + " ".join(f"--hash={one}" for one in self.hashes)


def read_lock(text: str) -> tuple[Pin, ...]:
    """The pins of a lock, sorted by name, version and marker; () for an empty one. Raises Invalid for a line that is no
    pin, or one without a hash."""
    pins = []
    for line in re.sub(r"\\\n", " ", text).splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        head, _, _ = stripped.partition(" --hash")
        found, hashes = _PIN.fullmatch(head.strip()), _HASH.findall(stripped)
        if found is None or not hashes:
            raise Invalid(f"{stripped[:80]!r} is no locked package with hashes", remedy="lock the requirements again")
        marker = (found["marker"] or "").strip()
        pins.append(Pin(canonicalize_name(found["name"]), found["version"], marker, tuple(sorted(hashes))))
    return tuple(sorted(pins, key=lambda pin: (pin.name, pin.version, pin.marker)))


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
