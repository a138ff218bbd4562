"""The computes that endpoints may name, from the settings."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import ValidationError

from shared.errors import Fault, Invalid
from shared.resources.compute import COMPUTES, AnyCompute

SETTING = "SLIPWAY_COMPUTES"


@cache
def load_computes(setting: str) -> dict[str, AnyCompute]:
    """The computes in `setting` (a file's path, or JSON that starts with `[`), by name; {} when it is empty. Raises
    Invalid with every fault; the faults never hold a value."""
    import yaml

    if not setting:
        return {}
    try:
        text = setting if setting.lstrip().startswith("[") else Path(setting).read_text()
        entries = yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise Invalid(f"{SETTING} can't be read ({type(error).__name__})") from None
    if not isinstance(entries, list):
        raise Invalid(f"{SETTING} is not a list of computes")
    faults: list[Fault] = []
    found: dict[str, AnyCompute] = {}
    for index, entry in enumerate(entries):
        try:
            one = COMPUTES.validate_python(entry)
        except ValidationError as error:
            faults += [Fault(e["msg"], "/".join(["", str(index), *map(str, e["loc"])])) for e in error.errors()]
            continue
        if one.name in found:
            faults.append(Fault("two computes have this name", f"/{index}/name"))
        found[one.name] = one
    if faults:
        raise Invalid(f"{SETTING} is wrong", faults=tuple(faults))
    return found


def compute_of(reference: str, computes: dict[str, AnyCompute]) -> AnyCompute | None:
    """The compute that a declaration names (`azureml:NAME`, NAME, an ARM id's last part); None for "". Raises Invalid
    for one that is not configured, with those that are."""
    name = reference.removeprefix("azureml:").rstrip("/").rpartition("/")[2]
    if not name:
        return None
    if name not in computes:
        known = ", ".join(sorted(computes)) or "none"
        raise Invalid(f"there is no compute {name[:80]!r}", remedy=f"configure it in {SETTING}; configured: {known}")
    return computes[name]
