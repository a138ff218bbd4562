"""The packages of a lock as a bill of materials names them."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from packaging.utils import canonicalize_name

from shared.environments.lock import read_lock


@dataclass(frozen=True, slots=True)
class Package:
    """One pinned package."""

    name: str  # normalised (PyPA, "Names and normalization")
    version: str
    sha256s: tuple[str, ...]  # hex, sorted: of each file that may be installed for it
    purl: str  # package URL


def packages_of_lock(text: str) -> list[Package]:
    """The packages of a lock, by name and version; none for an empty one. Raises Invalid as read_lock does."""
    pins = read_lock(text)
    hashes: dict[tuple[str, str], set[str]] = {}
    for pin in pins:
        hashes.setdefault((pin.name, pin.version), set()).update(one.removeprefix("sha256:") for one in pin.hashes)
    return [package_of(name, version, tuple(found)) for (name, version), found in sorted(hashes.items())]


def package_of(name: str, version: str, sha256s: tuple[str, ...] = ()) -> Package:
    """A package of the Python Package Index by its name as somebody writes it; its purl is of the type `pypi` (package
    URL specification, "PURL types")."""
    normal = canonicalize_name(name)
    return Package(normal, version, tuple(sorted(set(sha256s))), f"pkg:pypi/{normal}@{quote(version, safe='.-_~')}")
