"""What the tests of the documentation need of Markdown: fenced blocks with their marks, headings, links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^(?P<fence>`{3,})(?P<language>[\w-]*)\s*$")
_NOT_RUN = re.compile(r"<!--\s*not run:\s*(.*?)\s*-->")
_FILE = re.compile(r"<!--\s*file:\s*(\S+)\s*-->")
_LINK = re.compile(r"(?<!!)\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. `<!-- not run: why -->` before it keeps its commands from being run; `<!-- file: PATH -->` says
    that the reader has it in that file."""

    language: str
    text: str
    line: int  # of its first line of content, 1-based
    not_run: str | None = None
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A Markdown file."""

    path: Path
    blocks: tuple[Block, ...]
    prose: str  # what is not in a block, with inline code taken out

    @property
    def name(self) -> str:
        """Its path in the repository."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def runnable(self) -> tuple[Block, ...]:
        """The blocks whose commands are run."""
        return tuple(block for block in self.blocks if block.language == "console" and block.not_run is None)

    @property
    def links(self) -> tuple[str, ...]:
        """The targets of its links."""
        return tuple(_LINK.findall(self.prose))


def pages() -> list[Page]:
    """README.md, the other files beside it, docs/*.md and the READMEs of the examples."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").glob("**/*.md")]
    return [read_page(path) for path in sorted(found)]


def read_page(path: Path) -> Page:
    """The page in a file. Raises ValueError for a fence that is never closed."""
    blocks: list[Block] = []
    prose: list[str] = []
    lines = path.read_text(encoding="utf-8").split("\n")
    mark, index = "", 0
    while index < len(lines):
        fence = _FENCE.match(lines[index])
        if fence is None:
            prose.append(re.sub(r"`[^`]*`", "`code`", lines[index]))
            mark = lines[index] if lines[index].strip() else mark
            index += 1
            continue
        end = next((i for i in range(index + 1, len(lines)) if lines[i].rstrip() == fence["fence"]), None)
        if end is None:
            raise ValueError(f"{path}:{index + 1}: the block is never closed")
        not_run, file = _NOT_RUN.search(mark), _FILE.search(mark)
        blocks.append(
            Block(
                fence["language"],
                "\n".join(lines[index + 1 : end]),
                index + 2,
                not_run[1] if not_run else None,
                file[1] if file else None,
            )
        )
        mark, index = "", end + 1
    return Page(path, tuple(blocks), "\n".join(prose))


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    found: list[str] = []
    fenced = False
    for line in path.read_text(encoding="utf-8").splitlines():
        fenced ^= line.startswith("```")
        heading = None if fenced else _HEADING.match(line)
        if heading is not None:
            slug = re.sub(r"[^\w\- ]", "", heading[1].lower()).replace(" ", "-")
            found.append(slug if slug not in found else f"{slug}-{found.count(slug)}")
    return set(found)
