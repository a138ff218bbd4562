"""What the command says when something is wrong, and the exit codes that tell scripts what it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import IO, Any

import click


class ExitCode(IntEnum):
    """The exit codes; part of the interface."""

    OK = 0
    FAILURE = 1  # something went wrong that is none of the others
    USAGE = 2  # the command line is wrong (click's own code)
    NOT_FOUND = 3  # there is no such thing
    REFUSED = 4  # what was sent or asked is invalid, or in conflict with what is so
    NOT_AUTHORISED = 5  # no key or token, or a wrong one
    UNAVAILABLE = 6  # the server cannot be reached, or cannot answer now
    TIMED_OUT = 7  # waiting took longer than --timeout-s
    DRIFT = 8  # data were compared, and a threshold was breached


EXIT_CODES_HELP = """\b
Exit codes: 0 done, 1 failure, 2 wrong command line, 3 not found, 4 refused or
invalid, 5 not authorised, 6 unreachable or unavailable, 7 timed out waiting,
8 drift found."""

_UNAVAILABLE = frozenset({408, 429, 502, 503, 504})


def exit_code_for(status: int) -> ExitCode:
    """The exit code for an HTTP status that is an error."""
    if status == 404:
        return ExitCode.NOT_FOUND
    if status in (401, 403):
        return ExitCode.NOT_AUTHORISED
    if status in _UNAVAILABLE:
        return ExitCode.UNAVAILABLE
    return ExitCode.REFUSED if 400 <= status < 500 or status == 501 else ExitCode.FAILURE


class CliError(click.ClickException):
    """Ends the command with a message on stderr and an exit code."""

    def __init__(
        self,
        message: str,
        exit_code: ExitCode = ExitCode.FAILURE,
        *,
        faults: Sequence[Mapping[str, Any]] = (),
        remedy: str | None = None,
        transient: bool = False,
        retry_after_s: float = 0.0,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.exit_code = int(exit_code)  # type: ignore[misc]  # click reads it from the instance
        self.faults = tuple(faults)
        self.remedy = remedy
        self.transient = transient  # whether the same request may succeed shortly
        self.retry_after_s = retry_after_s  # the pause the server asked for
        self.status = status  # of the answer; None when there was none

    def format_message(self) -> str:
        """The message, a line for each fault, and what to do."""
        lines = [self.message, *(f"  {fault_line(fault)}" for fault in self.faults)]
        if self.remedy:
            lines.append(f"To do: {self.remedy}")
        return "\n".join(printable(line) for line in lines)

    def show(self, file: IO[Any] | None = None) -> None:
        """Print it on stderr."""
        click.echo(f"Error: {self.format_message()}", file=file, err=file is None)


def fault_line(fault: Mapping[str, Any]) -> str:
    """`file:line:column: /pointer: message (allowed: ...)`, leaving out what the fault does not have."""
    place = ":".join(str(fault[key]) for key in ("file", "line", "column") if fault.get(key) is not None)
    parts = (place, str(fault.get("pointer") or ""), str(fault.get("message") or "is wrong"))
    text = ": ".join(part for part in parts if part)
    return f"{text} (allowed: {fault['allowed']})" if fault.get("allowed") else text


def printable(text: str) -> str:
    """`text` without what could steer a terminal: it may come from anybody who can upload."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def problem_error(status: int, document: Any, where: str, *, retry_after_s: float = 0.0) -> CliError:
    """The error for an answer that is a problem (RFC 9457), or for any other document with an error status."""
    problem = document if isinstance(document, dict) else {}
    title = str(problem.get("title") or "the server refused")
    detail = str(problem.get("detail") or where)
    lines = [f"{title} ({status}): {detail}"]
    if status >= 500 and problem.get("instance"):
        lines.append(f"The server's log knows it as {problem['instance']}")
    faults = [fault for fault in problem.get("faults") or () if isinstance(fault, dict)]
    remedy = problem.get("remedy") or (_KEY_REMEDY if status in (401, 403) else None)
    return CliError(
        "\n".join(lines),
        exit_code_for(status),
        faults=faults,
        remedy=remedy,
        transient=status in (429, 503),
        retry_after_s=retry_after_s,
        status=status,
    )


_KEY_REMEDY = "give a function key (SLIPWAY_KEY or --key), or log in and use --auth entra --scope SCOPE"
