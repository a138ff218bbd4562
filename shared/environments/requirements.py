"""Requirements that people declare: a list, a requirements.txt, a pyproject.toml. Only named packages are accepted."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as Parsed
from packaging.utils import canonicalize_name

from shared.errors import Fault, Invalid

_COMMENT = re.compile(r"(^|\s)#.*$")  # pip's rule: a # that begins a line or follows a space
_HASH = re.compile(r"\s--hash[=\s]\S+")
_FORM = "NAME, NAME==1.2, NAME[extra]>=1,<2; marker (PEP 508)"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement, and where it stands."""

    text: str  # as it is given to the resolver
    file: str | None = None  # the file it stands in
    line: int | None = None  # 1-based
    pointer: str = ""  # where it stands in the declaration

    @property
    def name(self) -> str:
        """The package's name (PEP 503)."""
        return canonicalize_name(Parsed(self.text).name)


def checked(found: Iterable[Requirement]) -> tuple[Requirement, ...]:
    """The requirements, sorted by text and without doubles: their order has no meaning. Raises Invalid with a fault for
    each one that is none, or that names anything but a package of the index."""
    kept: dict[str, Requirement] = {}
    faults = []
    for one in found:
        try:
            kept.setdefault(_normal(one), one)
        except Invalid as error:
            faults.append(Fault(error.message, one.pointer, one.file, one.line, None, _FORM))
    if faults:
        raise Invalid("some requirements cannot be used", faults=tuple(faults))
    return tuple(Requirement(text, one.file, one.line, one.pointer) for text, one in sorted(kept.items()))


def _normal(one: Requirement) -> str:
    text = one.text.strip()
    if text.startswith("-"):
        raise Invalid(f"{text.split()[0]!r}: options are not accepted; the index is set by who runs Slipway")
    if re.match(r"(\.|/|~|[a-z+]+://|[A-Za-z]:\\)", text):
        raise Invalid(f"{text[:80]!r}: paths and URLs are not accepted, since what is there may change")
    try:
        parsed = Parsed(_HASH.sub("", text))
    except InvalidRequirement as error:
        raise Invalid(f"{text[:80]!r} is no requirement: {str(error).splitlines()[0]}") from error
    if parsed.url:
        raise Invalid(f"{parsed.name!r}: URLs are not accepted, since what is there may change")
    parsed.name = canonicalize_name(parsed.name)
    return str(parsed)


def of_list(texts: Sequence[str], pointer: str = "/pip") -> list[Requirement]:
    """The requirements of a declared list."""
    return [Requirement(text, pointer=f"{pointer}/{index}") for index, text in enumerate(texts)]


def of_file(path: str, text: str) -> list[Requirement]:
    """The requirements of a requirements.txt, or of a pyproject.toml's `project.dependencies`. Empty for an empty file.
    Raises Invalid for a pyproject.toml that is none."""
    return _of_pyproject(path, text) if path.endswith(".toml") else _of_lines(path, text)


def _of_lines(path: str, text: str) -> list[Requirement]:
    found: list[Requirement] = []
    whole, begin = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        begin = begin or number
        whole += line.removesuffix("\\")
        if line.endswith("\\"):  # goes on in the next line
            continue
        stripped = _COMMENT.sub("", whole).strip()
        if stripped:
            found.append(Requirement(stripped, path, begin))
        whole, begin = "", 0
    if stripped := _COMMENT.sub("", whole).strip():
        found.append(Requirement(stripped, path, begin))
    return found


def _of_pyproject(path: str, text: str) -> list[Requirement]:
    try:
        project = tomllib.loads(text).get("project")
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"{path} is not TOML: {error}") from error
    listed = project.get("dependencies", []) if isinstance(project, dict) else None
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise Invalid(f"{path} has no `project.dependencies`, a list of texts", remedy="list them there (PEP 621)")
    return [Requirement(one, path, pointer=f"/project/dependencies/{index}") for index, one in enumerate(listed)]
