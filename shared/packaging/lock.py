"""What a lock pins: the requirements file that `uv pip compile --generate-hashes` writes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from shared.errors import Fault, Invalid

LOCK_NAME = "requirements.lock"
LINE_RULE = "NAME==VERSION with --hash=sha256:... for each file, as `uv pip compile --generate-hashes` writes"
_PINNED = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*==\s*(?P<version>[A-Za-z0-9][A-Za-z0-9.!+_-]*)"
    r"\s*(?:;[^\\]*?)?(?P<hashes>(?:\s+--hash=\S+)*)\s*\Z"
)
_HASH = re.compile(r"sha256:([0-9a-f]{64})\Z")
_WITH_URL = ("--index-url", "--extra-index-url", "--find-links", "-i", "-f")
_OPTIONS = (*_WITH_URL, "--no-binary", "--only-binary", "--no-index", "--prefer-binary")


@dataclass(frozen=True, slots=True)
class Package:
    """One pinned package."""

    name: str  # normalised (PyPA, "Names and normalization")
    version: str
    sha256s: tuple[str, ...]  # hex, sorted: of each file that may be installed for it
    purl: str  # package URL


def packages_of_lock(text: str) -> list[Package]:
    """The packages of a lock, by name and version; none for an empty one. Raises Invalid with every line that pins
    nothing, has no SHA-256 or a broken one, or an index URL with credentials (which are not shown)."""
    found: set[Package] = set()
    faults: list[Fault] = []
    for number, line in _logical_lines(text):
        fault = _fault_of_option(line) if line.startswith("-") else None
        if not line.startswith("-"):
            package, fault = _package(line)
            found.update([package] if package else [])
        if fault:
            faults.append(Fault(fault, file=LOCK_NAME, line=number, allowed=LINE_RULE))
    if faults:
        raise Invalid(
            "the lock cannot be used",
            faults=tuple(faults[:100]),
            remedy="lock the environment again, do not edit locks",
        )
    return sorted(found, key=lambda package: (package.name, package.version))


def package_of(name: str, version: str, sha256s: tuple[str, ...] = ()) -> Package:
    """A package of the Python Package Index by its name as somebody writes it; its purl is of the type `pypi` (package
    URL specification, "PURL types")."""
    normal = re.sub(r"[-_.]+", "-", name).lower()
    return Package(normal, version, tuple(sorted(set(sha256s))), f"pkg:pypi/{normal}@{quote(version, safe='.-_~')}")


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines without comments, continued ones in one, with the number of their first."""
    parts: list[str] = []
    first = 1
    for number, raw in enumerate(text.splitlines(), 1):
        line = re.sub(r"(^|\s)#.*", "", raw).strip()
        if not parts:
            first = number
        if line.endswith("\\"):
            parts.append(line[:-1].strip())
            continue
        if joined := " ".join([*parts, line]).strip():
            yield first, joined
        parts = []
    if joined := " ".join(parts).strip():
        yield first, joined


def _package(line: str) -> tuple[Package | None, str | None]:
    match = _PINNED.match(line)
    if match is None:
        return None, f"{line.split('@')[0][:60].strip()!r} does not pin a version of the index"
    hashes = [_HASH.match(each.removeprefix("--hash=")) for each in match["hashes"].split()]
    if not hashes:
        return None, f"{match['name']}=={match['version']} has no hash"
    sha256s = tuple(each[1] for each in hashes if each)
    if len(sha256s) < len(hashes):
        return None, f"{match['name']}=={match['version']} has a hash that is no SHA-256"
    return package_of(match["name"], match["version"], sha256s), None


def _fault_of_option(line: str) -> str | None:
    option, _, value = line.replace("=", " ", 1).partition(" ")
    if option not in _OPTIONS:
        return f"the option {option[:40]!r} does not belong into a lock"
    if option in _WITH_URL and "@" in urlsplit(value.strip()).netloc:
        return f"{option} has credentials in its URL, which would be in the image"
    return None
