"""A progress bar on stderr while bytes move; nothing where nobody looks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shared.cli.options import Options

Advance = Callable[[int], None]


@contextmanager
def transfer_progress(options: Options, title: str, size_bytes: int) -> Iterator[Advance]:
    """Yields a function to call with the bytes that moved (fewer than none, when a file starts again)."""
    if options.no_progress or options.output != "table" or not sys.stderr.isatty():
        yield lambda moved_bytes: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=size_bytes)
        yield lambda moved_bytes: progress.advance(task, moved_bytes)
