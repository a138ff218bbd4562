"""Waiting for what is built, and ending as it ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any

import click

from shared.cli import output
from shared.cli.api import Api
from shared.cli.errors import CliError, ExitCode
from shared.cli.options import Options

ENDED = ("Succeeded", "Failed", "Canceled")
POLL_S = 0.3


def finished(api: Api, path: str, what: str, ended: Collection[str] = ENDED) -> dict[str, Any]:
    """The document at the REST path when its build has ended, however: when its phase is one of `ended`. Raises
    CliError, with `what` it is called, when that takes longer than --timeout-s."""
    end = time.monotonic() + api.timeout_s
    while True:
        found: dict[str, Any] = api.get(path)
        if found["phase"] in ended:
            return found
        if time.monotonic() > end:
            message = f"{what} is still {found['phase']}"
            raise CliError(message, ExitCode.TIMED_OUT, remedy="wait longer with --timeout-s")
        time.sleep(POLL_S)


def end(options: Options, found: dict[str, Any], describe: Callable[[dict[str, Any]], str]) -> None:
    """Show what was waited for; the command ends as refused when it did not succeed."""
    output.show(options, found, describe(found))
    if found["phase"] != "Succeeded":
        raise click.exceptions.Exit(int(ExitCode.REFUSED))
