"""Curated environments: declarations that ship with Slipway; `slipway/NAME` names one where an environment is named."""

from __future__ import annotations

from importlib.resources import files

from shared.errors import NotFound

PREFIX = "slipway/"
_FOLDER = files("shared.environments") / "curated"


def curated_names() -> list[str]:
    """What there is, sorted."""
    return sorted(PREFIX + one.name.removesuffix(".yml") for one in _FOLDER.iterdir() if one.name.endswith(".yml"))


def curated_text(name: str) -> str:
    """The declaration of one. Raises NotFound with those that ship."""
    if name not in curated_names():
        known = ", ".join(curated_names())
        raise NotFound(f"there is no curated environment {name[:80]!r}", remedy=f"use one of {known}")
    return (_FOLDER / f"{name.removeprefix(PREFIX)}.yml").read_text()
