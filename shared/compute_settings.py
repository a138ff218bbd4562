"""The computes that endpoints may name, from the settings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache

from shared.errors import Invalid
from shared.resources.compute import COMPUTES, AnyCompute
from shared.setting_lists import load_named

SETTING = "SLIPWAY_COMPUTES"


@cache
def load_computes(setting: str) -> dict[str, AnyCompute]:
    """The computes in `setting` (a file's path, or JSON that starts with `[`), by name; {} when it is empty. Raises
    Invalid with every fault; the faults never hold a value."""
    return load_named(SETTING, setting, "computes", COMPUTES)


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


def secret_of(variable: str, what: str, environ: Mapping[str, str] = os.environ) -> str:
    """The value of the environment variable that a compute names for a secret; "" when it names none. Raises Invalid
    when it is not set."""
    if not variable:
        return ""
    found = environ.get(variable, "")
    if not found:
        raise Invalid(f"{what} is not set", remedy=f"set the environment variable {variable} where Slipway runs")
    return found
