"""The documentation is true: its commands do what is shown, its links lead somewhere, its documents parse.

`python -m tests.docs PAGE...` writes into a page what its commands really print.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from tests.docs.markdown import ROOT, Block, Page, anchors, pages
from tests.docs.session import Session
from tests.docs.transcript import Step, matches, steps_of

PAGES = pages()
RUN = [page for page in PAGES if page.runnable]
NOT_RUN = [(page, block) for page in PAGES for block in page.blocks if block.not_run is not None]
LANGUAGES = {"", "console", "text", "json", "yaml", "python", "mermaid", "dockerfile"}
NEEDED = ("bash", "curl")


def _place(page: Page, block: Block) -> str:
    return f"{page.name}:{block.line}"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_commands_print_what_is_shown(page: Page, tmp_path: Path) -> None:
    """Every command of the page, in its order, as a reader would type them after `slipway up`."""
    for name in NEEDED:
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed here")
    wrong: list[str] = []
    with Session(tmp_path, page) as session:
        for block in page.blocks:
            if block.file is not None:
                session.write(block.file, block.text)
            elif block in page.runnable:
                wrong += _wrong_steps(session, page, steps_of(block.text, block.line))
    assert not wrong, "\n\n".join(wrong)


def _wrong_steps(session: Session, page: Page, steps: list[Step]) -> list[str]:
    wrong = []
    for index, step in enumerate(steps):
        output, code = session.run(step)
        if not matches(step.expected, output):
            where = f"{page.name}:{step.line}: $ {step.command}"
            wrong.append(f"{where}\n--- the page says\n{step.expected}\n--- it printed\n{output}")
        shown = index + 1 < len(steps) and steps[index + 1].command == "echo $?"
        if code != 0 and not shown:
            wrong.append(f"{page.name}:{step.line}: $ {step.command}\nended with {code}: {output}")
    return wrong


@pytest.mark.parametrize(("page", "block"), NOT_RUN, ids=[_place(*each) for each in NOT_RUN])
def test_what_is_not_run_says_why(page: Page, block: Block) -> None:
    """A block that cannot be run here is skipped, with the reason that the page gives."""
    assert block.not_run, f"{_place(page, block)}: say why it is not run"
    pytest.skip(block.not_run)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_say_what_they_hold_and_parse(page: Page) -> None:
    """JSON, YAML and Python that a reader copies is JSON, YAML and Python."""
    for block in page.blocks:
        assert block.language in LANGUAGES, _place(page, block)
        try:
            if block.language == "json":
                json.loads(block.text)
            elif block.language == "yaml":
                list(yaml.safe_load_all(block.text))
            elif block.language == "python":
                compile(block.text, _place(page, block), "exec")
            elif block.language == "console":
                steps_of(block.text, block.line)
        except (ValueError, yaml.YAMLError, SyntaxError) as error:
            pytest.fail(f"{_place(page, block)}: {error}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Page) -> None:
    """Files and headings that are linked to are there."""
    broken = [link for link in page.links if not re.match(r"https?:|mailto:", link) and not _leads(page.path, link)]
    assert broken == []


def _leads(path: Path, link: str) -> bool:
    file, _, anchor = link.partition("#")
    target = (path.parent / file).resolve() if file else path
    inside = target.is_relative_to(ROOT) and target.exists()
    return inside and (not anchor or anchor in anchors(target))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_names_this_machine(page: Page) -> None:
    """Real output is pasted with the reader's folder, not the author's, and without keys."""
    text = page.path.read_text()
    assert re.findall(r"/tmp/\S+|/root/\S+", text) == []
