"""`python -m tests.docs PAGE...`: run the commands of pages, and write in what they print where that is not shown.

With --all also where it is: then times and ids of a page fit each other. Output shown with `...` is left.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.docs.markdown import read_page
from tests.docs.session import Session
from tests.docs.transcript import matches, steps_of


def renew(path: Path, *, everything: bool) -> int:
    """Renew the page in the file; how many commands printed something else than it showed."""
    page, lines, changed = read_page(path), path.read_text().split("\n"), 0
    shift = 0
    with tempfile.TemporaryDirectory() as folder, Session(Path(folder), page) as session:
        for block in page.blocks:
            if block.file is not None:
                session.write(block.file, block.text)
            elif block in page.runnable:
                for step in steps_of(block.text, block.line):
                    output, code = session.run(step)
                    shown = matches(step.expected, output)
                    if shown and (not everything or "..." in step.expected):
                        continue
                    if "Traceback (most recent call last)" in output:
                        raise RuntimeError(f"{path}:{step.line}: $ {step.command}\n{output}")
                    changed += 1
                    print(f"{path}:{step.line}: $ {step.command} (exit code {code})")
                    printed = output.rstrip("\n").split("\n") if output.strip() else []
                    after = step.line - 1 + len(step.command.split("\n"))
                    lines[after + shift : step.end_line + shift] = printed
                    shift += len(printed) - (step.end_line - after)
    path.write_text("\n".join(lines))
    return changed


if __name__ == "__main__":
    names = [name for name in sys.argv[1:] if name != "--all"]
    print(sum(renew(Path(name).resolve(), everything="--all" in sys.argv) for name in names), "renewed")
