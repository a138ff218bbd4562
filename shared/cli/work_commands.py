"""What `slipway profile` and `slipway optimization` have in common: listing, canceling, and waiting for the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from shared.cli import output
from shared.cli.api import Api, segment
from shared.cli.errors import CliError, ExitCode
from shared.cli.options import Options, common_options

POLL_S = 0.5
LONGEST_S = 1_800.0  # such work takes a minute or two, and at most half an hour


@dataclass(frozen=True, slots=True)
class Work:
    """A kind of work on versions of models, as REST has it."""

    path: str  # below /api/
    id_field: str  # of an answer
    phase_field: str  # of an answer
    ended: tuple[str, ...]  # the phases in which nothing more happens
    headings: tuple[str, ...]  # of the list
    row: Callable[[dict[str, Any]], tuple[Any, ...]]  # of the list, for one answer
    plural: str  # as people call it


def add_commands(group: click.Group, work: Work) -> None:
    """Give the group `list` and `cancel`."""

    @group.command("list", help=f"List {work.plural}, newest first.")
    @click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many.")
    @common_options
    def list_(options: Options, limit: int) -> None:
        with Api(options) as api:
            page = api.pages(work.path, limit=limit)
        rows = [work.row(one) for one in page["items"]]
        output.show(options, page, output.table(work.headings, rows, empty=f"There are no {work.plural}."))

    @group.command("cancel", help="End one.")
    @click.argument(work.id_field)
    @common_options
    def cancel(options: Options, **arguments: str) -> None:
        work_id = arguments[work.id_field]
        with Api(options) as api:
            found = api.call("POST", f"{work.path}/{segment(work_id)}/cancel").document
        output.show(options, found, f"{work_id} is being canceled.")


def watched(options: Options, api: Api, work: Work, work_id: str) -> dict[str, Any]:
    """The answer when the work has ended; its progress goes to standard error meanwhile. Raises CliError when it takes
    too long."""
    end, told = time.monotonic() + max(api.timeout_s, LONGEST_S), ""
    while True:
        found: dict[str, Any] = api.get(f"{work.path}/{segment(work_id)}")
        if found["log_tail"] and found["log_tail"][-1] != told and options.output == "table":
            told = found["log_tail"][-1]
            click.echo(told, err=True)
        if found[work.phase_field] in work.ended:
            return found
        if time.monotonic() > end:
            raise CliError(f"{work_id} is still {found[work.phase_field]}", ExitCode.TIMED_OUT)
        time.sleep(POLL_S)
