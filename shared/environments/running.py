"""Running a program that builds: its output line by line, its time limit, and its end with all that it began."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

CREDENTIALS = re.compile(r"(?<=://)[^\s/@]+@")  # of a URL
MAX_LINE_BYTES = 2**16
KEPT_LINES = 10_000  # of what was printed, for its reason when it failed
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Finished:
    """What a run came to."""

    code: int  # 0 for success
    text: str  # the end of what it printed, without credentials


async def run_streamed(
    command: Sequence[str | Path],
    folder: Path,
    environ: Mapping[str, str],
    timeout_s: float | None,
    say: Callable[[str], None] = lambda line: None,
) -> Finished:
    """Run a command in `folder` with this environment alone, as long as `timeout_s` (None: without end); `say` is
    called with each line it prints. It ends with this call, also when that is cancelled, and with it every process
    below it. Raises TimeoutError."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        cwd=folder,
        env=dict(environ),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    lines: deque[str] = deque(maxlen=KEPT_LINES)
    try:
        async with asyncio.timeout(timeout_s):
            assert process.stdout is not None
            async for raw in _lines_of(process.stdout):
                line = CREDENTIALS.sub("", raw.decode(errors="replace").rstrip())
                lines.append(line)
                say(line)
            return Finished(await process.wait(), "\n".join(lines))
    finally:
        if process.returncode is None:
            kill_tree(process.pid)
            await process.wait()


async def _lines_of(stream: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """The lines; of one that is longer than MAX_LINE_BYTES, its pieces."""
    rest = b""
    while piece := await stream.read(MAX_LINE_BYTES):
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line
        if len(rest) > MAX_LINE_BYTES:
            yield rest
            rest = b""
    if rest:
        yield rest


def kill_tree(pid: int) -> None:
    """End a process and all that descend from it, of which some may lead groups of their own: they are stopped first,
    so that none begins another one meanwhile. Where there is no /proc, its group alone."""
    tree: set[int] = set()
    new = {pid}
    while new:
        for one in new:
            _signal(one, signal.SIGSTOP)
        tree |= new
        new = _children_of(tree) - tree
    with suppress(ProcessLookupError, PermissionError):  # it leads no group, or is gone
        os.killpg(pid, signal.SIGKILL)
    for one in tree:
        _signal(one, signal.SIGKILL)


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _children_of(parents: set[int]) -> set[int]:
    found = set()
    for folder in _PROC.glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])  # proc(5)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if parent in parents:
            found.add(int(folder.name))
    return found
