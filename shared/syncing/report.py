"""What a git host is told of a sync: a state, a line, and a comment."""

from __future__ import annotations

from shared.ports import CommitState
from shared.resources.sync import FileResult, SyncPhase, SyncStatus

MAX_LINES = 50  # of a comment


def state_of(status: SyncStatus) -> CommitState:
    """The commit's state: success when every declared file is so."""
    return "success" if status.phase == SyncPhase.SUCCEEDED else "failure"


def description_of(status: SyncStatus) -> str:
    """One line: how many files were created, updated, refused..."""
    told = ", ".join(f"{number} {result}" for result, number in status.counts.items() if result != FileResult.IGNORED)
    return told or "no declared files"


def comment_of(status: SyncStatus) -> str:
    """What a pull request would change, in Markdown: a row a file, the refused with what is wrong."""
    rows = [
        f"| {one.result} | `{one.path}` | {one.kind or ''} {one.name or ''} | {_cell(one.reason)} |"
        for one in status.files[:MAX_LINES]
    ]
    more = len(status.files) + status.files_left_out - len(rows)
    lines = [f"Slipway would apply this: {description_of(status)}", "", "| | file | resource | |", "|---|---|---|---|"]
    lines += rows
    lines += [f"| | and {more} more | | |"] if more > 0 else []
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")[:300]
