"""Console blocks: `$ ` begins a command (it goes on in the next line after a backslash), the lines after it are what it
prints. What differs between two runs is compared by its kind only, and `...` stands for anything."""

from __future__ import annotations

import re
from dataclasses import dataclass

PROMPT = "$ "
_READ_ONLY = re.compile(
    r"slipway (model (list|show|history)|(upload|sync|endpoint|rollout) (list|show)|(event|subscription) list)\b"
    r"|cat |ls |find |curl "
)
_WRITES = re.compile(r"^curl .*\s-(X|d|T|o|F)\b|>", re.DOTALL)

# What differs from run to run, or from machine to machine: a pattern and what stands for it.
_KINDS = tuple(
    (re.compile(pattern), kind)
    for pattern, kind in (
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uuid>"),
        (r"\b[bu]-[0-9a-f]{24}\b", "<upload>"),
        (r"\b[0-9a-f]{64}\b", "<sha256>"),
        (r'(?i)(?<=etag: )"[^"]+"', "<etag>"),
        (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)", "<time>"),
        (r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "<time>"),
        (r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", "<time>"),
        (r"\bexpires=\d+", "expires=<time>"),
        (r"\b\d+(\.\d+)? (B|kB|MB|GB)\b", "<size>"),
        (r'("size_bytes"|"contentLength"|Content-Length): ?\d+', r"\1: <size>"),
        (r"Python/\S+ aiohttp/\S+", "<server>"),
        (r"\bv1,[A-Za-z0-9+/]{43}=", "<signature>"),
        (r"(?<=webhook-timestamp: )\d+", "<time>"),
        (r"\bkey:[0-9a-f]{8}\b", "<key>"),
        (r"\blook_again\b", "storage_event"),  # the timer may see a dropped manifest before its event comes
        (r"(?<=\S) {2,}", "  "),  # columns are as wide as what is in them
        (r" +$", ""),
    )
)


@dataclass(frozen=True, slots=True)
class Step:
    """A command and what the page says that it prints."""

    command: str
    expected: str
    line: int  # in the page
    end_line: int  # the last line of what it prints; the command's own last line when it prints nothing

    @property
    def may_be_repeated(self) -> bool:
        """Whether running it again changes nothing: then it is repeated until what it waits for has happened."""
        return _READ_ONLY.match(self.command) is not None and not _WRITES.search(self.command)


def steps_of(text: str, first_line: int) -> list[Step]:
    """The commands of a block. Raises ValueError when it does not begin with one."""
    lines = text.split("\n")
    if not lines[0].startswith(PROMPT):
        raise ValueError(f"line {first_line}: a console block begins with `{PROMPT}`")
    steps: list[Step] = []
    index = 0
    while index < len(lines):
        start = index
        command = [lines[index].removeprefix(PROMPT)]
        while command[-1].endswith("\\"):
            index += 1
            command.append(lines[index])
        output: list[str] = []
        while index + 1 < len(lines) and not lines[index + 1].startswith(PROMPT):
            index += 1
            output.append(lines[index])
        steps.append(Step("\n".join(command), "\n".join(output), first_line + start, first_line + index))
        index += 1
    return steps


def normal(text: str) -> str:
    """The text with what differs from run to run replaced by its kind."""
    lines = []
    for line in text.strip("\n").split("\n"):
        for pattern, kind in _KINDS:
            line = pattern.sub(kind, line)
        lines.append(line)
    return "\n".join(lines)


def matches(expected: str, actual: str) -> bool:
    """Whether a command printed what the page shows."""
    parts = []
    for line in normal(expected).split("\n"):
        if line.strip() == "...":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(".*?".join(re.escape(part) for part in line.split("...")) + r"\n")
    return re.fullmatch("".join(parts), normal(actual) + "\n") is not None
