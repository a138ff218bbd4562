"""Settings that are lists of named things: a file's path, or the JSON itself."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError

from shared.errors import Fault, Invalid


class Named(Protocol):
    """What such a list holds."""

    @property
    def name(self) -> str:
        """Unique in its list."""


T = TypeVar("T", bound=Named)


def load_named(setting: str, value: str, of: str, shape: TypeAdapter[T]) -> dict[str, T]:
    """The entries of `setting`, whose `value` is a file's path or JSON that starts with `[`, by name; {} when it is
    empty. `of` says for people what they are. Raises Invalid with every fault; the faults never hold a value."""
    import yaml

    if not value:
        return {}
    try:
        entries = yaml.safe_load(value if value.lstrip().startswith("[") else Path(value).read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise Invalid(f"{setting} can't be read ({type(error).__name__})") from None
    if not isinstance(entries, list):
        raise Invalid(f"{setting} is not a list of {of}")
    faults: list[Fault] = []
    found: dict[str, T] = {}
    for index, entry in enumerate(entries):
        try:
            one = shape.validate_python(entry)
        except ValidationError as error:
            faults += [Fault(e["msg"], "/".join(["", str(index), *map(str, e["loc"])])) for e in error.errors()]
            continue
        if one.name in found:
            faults.append(Fault(f"two {of} have this name", f"/{index}/name"))
        found[one.name] = one
    if faults:
        raise Invalid(f"{setting} is wrong", faults=tuple(faults))
    return found
