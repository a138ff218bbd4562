"""Curated environments: declarations that ship with Slipway; `slipway/NAME` names one where an environment is named."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from shared.cli.api import Api
from shared.cli.errors import CliError, ExitCode

PREFIX = "slipway/"
_FOLDER = files("shared.environments") / "curated"


def curated_names() -> list[str]:
    """What there is, by name."""
    return sorted(PREFIX + one.name.removesuffix(".yml") for one in _FOLDER.iterdir() if one.name.endswith(".yml"))


def environment_reference(api: Api, text: str) -> str:
    """NAME[:VERSION] of an environment; a curated one is declared first, where it is not. Raises CliError with those
    that ship for another one."""
    if not text.startswith(PREFIX):
        return text.removeprefix("azureml:")
    if text not in curated_names():
        known = ", ".join(curated_names())
        raise CliError(f"there is no curated environment {text!r}", ExitCode.NOT_FOUND, remedy=f"use one of {known}")
    name = f"{text.removeprefix(PREFIX)}.yml"
    body = {"files": [{"path": name, "text": (_FOLDER / name).read_text()}], "provenance": {"source": "slipway"}}
    outcome: dict[str, Any] = api.call("POST", "apply", body=body).document["files"][0]
    if outcome["result"] == "refused":
        raise CliError(f"{text} was refused: {outcome['reason']}", ExitCode.REFUSED)
    return f"{outcome['name']}:{outcome['version']}"
