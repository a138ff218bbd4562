"""Conda files: the Python they ask for, what pip installs, and the packages that only conda has."""

from __future__ import annotations

import re
from dataclasses import dataclass

from shared.environments.requirements import Requirement, of_list
from shared.errors import Fault, Invalid
from shared.resources.environment import CondaFile

# [CHANNEL::]NAME[ VERSION[ BUILD]], or NAME with =, ==, >=... (conda's package match specification, without brackets)
_SPEC = re.compile(
    r"(?:(?P<channel>[A-Za-z0-9._/:-]+)::)?(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]*)\s*(?P<rest>(?:[=<>!~\s].*)?)"
)
_VERSION = re.compile(r"[=<>!~|,.*+\sA-Za-z0-9_-]*")
_PYTHON = re.compile(r"3\.[0-9]{1,2}")
_PROVIDED = frozenset({"python", "pip"})  # every Python environment has them


@dataclass(frozen=True, slots=True)
class Conda:
    """What a conda file asks for."""

    python_version: str | None  # e.g. 3.11; None when it does not say
    channels: tuple[str, ...]  # in order
    packages: tuple[str, ...]  # match specs but for python and pip, sorted, spaces taken out
    pip: tuple[Requirement, ...]  # what pip installs, as declared


def read_conda(file: CondaFile) -> Conda:
    """The conda file's parts. Raises Invalid with a fault for each match spec that is none."""
    packages: list[str] = []
    pip: list[Requirement] = []
    faults: list[Fault] = []
    python_version: str | None = None
    for index, one in enumerate(file.dependencies):
        if not isinstance(one, str):
            pip += of_list(one.pip, f"/dependencies/{index}/pip")
            continue
        found = _SPEC.fullmatch(one.strip())
        if found is None or not _VERSION.fullmatch(found["rest"]):
            allowed = "NAME, NAME=1.2, NAME>=1,<2, CHANNEL::NAME"
            faults.append(Fault(f"{one[:80]!r} is no conda package", f"/dependencies/{index}", allowed=allowed))
        elif found["name"].lower() == "python":
            python_version = (match := _PYTHON.search(found["rest"])) and match[0]
        elif found["name"].lower() not in _PROVIDED:
            packages.append(_normal(found))
    if faults:
        raise Invalid("some conda packages cannot be read", faults=tuple(faults))
    return Conda(python_version, tuple(file.channels), tuple(sorted(packages)), tuple(pip))


def _normal(found: re.Match[str]) -> str:
    """One spelling of a spec: conda compares names without regard to case, and `name 1.2` is `name=1.2`'s long form."""
    channel = f"{found['channel']}::" if found["channel"] else ""
    rest = re.sub(r"\s*([=<>!~|,]+)\s*", r"\1", found["rest"].strip())
    gap = "" if not rest or rest[0] in "=<>!~" else " "
    return f"{channel}{found['name'].lower()}{gap}{rest}"
