"""Environments as the command line names them: registered ones, and curated ones, declared when first used."""

from __future__ import annotations

from typing import Any

import click

from shared.cli.api import Api
from shared.cli.errors import CliError, ExitCode

environment_option = click.option(
    "--environment",
    default="slipway/onnx-serving",
    show_default=True,
    metavar="NAME[:VERSION]",
    help="What it runs in.",
)


def environment_reference(api: Api, text: str) -> str:
    """NAME[:VERSION] of an environment; a curated one (`slipway/NAME`) is declared first, where it is not. Raises
    CliError with those that ship for another one."""
    from shared.environments.curated_text import PREFIX, curated_text
    from shared.errors import NotFound

    if not text.startswith(PREFIX):
        return text.removeprefix("azureml:")
    try:
        declaration = curated_text(text)
    except NotFound as error:
        raise CliError(error.message, ExitCode.NOT_FOUND, remedy=error.remedy) from error
    name = f"{text.removeprefix(PREFIX)}.yml"
    body = {"files": [{"path": name, "text": declaration}], "provenance": {"source": "slipway"}}
    outcome: dict[str, Any] = api.call("POST", "apply", body=body).document["files"][0]
    if outcome["result"] == "refused":
        raise CliError(f"{text} was refused: {outcome['reason']}", ExitCode.REFUSED)
    return f"{outcome['name']}:{outcome['version']}"
