"""What a step without the identity left is taken by one that has it: plain files, of what they are said to be."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from shared.errors import NotFound, Permanent
from shared.ports import Artifact
from shared.resources.build import StoredText
from shared.resources.data_profile import DataPart, DataTable
from shared.resources.job_work import DataProfileOutcome, DataProfileWork, ProfileOutcome
from shared.resources.model import ModelFile
from shared.resources.profile import ProfileResult
from shared.worker.handover import Handover
from shared.worker.outcomes import read_outcome, stored_files

ROWS = b"a\n1\n"
SHA256 = hashlib.sha256(ROWS).hexdigest()
TOKEN = b"the identity's token"


def work(sha256: str = SHA256) -> DataProfileWork:
    file = ModelFile(path="rows.csv", sha256=sha256, size_bytes=len(ROWS))
    table = DataTable(parts=[DataPart(file=file, format="csv")])
    return DataProfileWork(profile_id="d", label="rows:1", table=table, timeout_s=1)


async def rows(_sha256: str = "") -> AsyncIterator[bytes]:
    yield ROWS


def outcome(file: StoredText) -> DataProfileOutcome:
    return DataProfileOutcome(sketch_file=file)


async def stored(handover: Handover, document: DataProfileOutcome) -> list[bytes]:
    """What is stored of it."""
    found = []

    async def keep(chunks: AsyncIterator[bytes]) -> Artifact:
        content = b"".join([chunk async for chunk in chunks])
        found.append(content)
        return Artifact(hashlib.sha256(content).hexdigest(), len(content))

    await stored_files(document, handover.kept, keep)
    return found


async def test_what_was_fetched_is_read_and_what_was_kept_is_stored(tmp_path: Path) -> None:
    handover = Handover(tmp_path)
    assert await handover.fetch(work(), rows) == 1
    assert handover.work() == work()
    assert b"".join([chunk async for chunk in handover.read(SHA256)]) == ROWS
    with pytest.raises(NotFound):
        [chunk async for chunk in handover.read("0" * 64)]
    kept = await handover.keep(rows())
    text = StoredText(sha256=kept.sha256, size_bytes=kept.size_bytes)
    handover.end(outcome(text).model_dump_json())
    document = read_outcome(work(), handover.outcome())
    assert isinstance(document, DataProfileOutcome)
    assert await stored(handover, document) == [ROWS]


@pytest.mark.parametrize(
    "attack",
    [
        lambda place, secret: place.symlink_to(secret),
        lambda place, secret: os.mkfifo(place),
        lambda place, secret: place.write_bytes(b"other"),
        lambda place, secret: place.mkdir(),
        lambda place, secret: None,
    ],
    ids=("link", "pipe", "other content", "folder", "nothing"),
)
async def test_a_file_that_is_not_what_its_name_says_is_not_stored(
    tmp_path: Path, attack: Callable[[Path, Path], object]
) -> None:
    secret, folder = tmp_path / "token", tmp_path / "work"
    secret.write_bytes(TOKEN)
    (folder / "kept").mkdir(parents=True)
    attack(folder / "kept" / SHA256, secret)
    with pytest.raises(Permanent):
        await stored(Handover(folder), outcome(StoredText(sha256=SHA256, size_bytes=len(ROWS))))
    attack(folder / "outcome.json", secret)
    with pytest.raises(Permanent):
        read_outcome(work(), Handover(folder).outcome())


async def test_names_that_lead_elsewhere_are_not_opened(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "work", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    digest = hashlib.sha256(TOKEN).hexdigest()
    (elsewhere / digest).write_bytes(TOKEN)
    (folder / "kept").symlink_to(elsewhere)
    for name in (digest, f"../../elsewhere/{digest}"):
        with pytest.raises(Permanent, match="was not kept"):
            await stored(Handover(folder), outcome(StoredText(sha256=name, size_bytes=len(TOKEN))))


def test_an_outcome_of_another_kind_of_work_is_none() -> None:
    other = ProfileOutcome(result=ProfileResult(state="Succeeded")).model_dump_json().encode()
    with pytest.raises(Permanent, match="no outcome of its kind"):
        read_outcome(work(), other)
