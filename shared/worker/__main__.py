"""Does the work that an artifact says, in a job of a cluster, and stores what comes of it:

    python -m shared.worker do BLOBS_URL SHA256
    python -m shared.worker fetch BLOBS_URL SHA256 FOLDER
    python -m shared.worker run FOLDER
    python -m shared.worker store BLOBS_URL SHA256 FOLDER

BLOBS_URL is the account with the artifacts and the collected data, SHA256 the artifact; the identity is the pod's own.
`do` is all of it. Work that runs others' code is done by the other three, one after the other: they share FOLDER, and
`run` has no identity. What comes of it is an artifact, too, whose SHA-256 and size are written to the path in
SLIPWAY_JOB_RESULT. Exits with 0 when that was written, also when the work came to nothing, and the outcome says why;
with 75 when a service did not answer, so that it is worth another try; with 1 and the reason on standard output
otherwise.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import ValidationError

from shared.adapters.azure.artifact_store import AzureArtifactStore
from shared.adapters.azure.blob_service import open_blob_service
from shared.adapters.azure.collected_data import CollectedData
from shared.adapters.azure.credentials import default_credential
from shared.adapters.jobs.works import TRY_AGAIN
from shared.adapters.local.clock import SystemClock
from shared.adapters.local.collected_files import LocalCollected
from shared.errors import Conflict, Retryable, SlipwayError
from shared.ports.jobs import RESULT_VARIABLE
from shared.resources.build import StoredText
from shared.resources.job_work import WORK, AnyWork
from shared.worker.handover import Handover
from shared.worker.outcomes import read_outcome, stored_files
from shared.worker.works import Tools, done, fetch_collected

RESULT_OF = ("do", "store")  # what writes a result


@asynccontextmanager
async def _blobs(url: str) -> AsyncIterator[tuple[AzureArtifactStore, CollectedData]]:
    async with default_credential() as credential, open_blob_service(url, credential) as service:
        yield AzureArtifactStore(service, SystemClock()), CollectedData(service)


async def _work(artifacts: AzureArtifactStore, sha256: str) -> AnyWork:
    return WORK.validate_json(b"".join([chunk async for chunk in artifacts.read(sha256)]))


async def do(url: str, sha256: str) -> None:
    """All of it. This and the others raise SlipwayError, and ValidationError for a work of another version."""
    async with _blobs(url) as (artifacts, collected):
        work = await _work(artifacts, sha256)
        with tempfile.TemporaryDirectory(prefix="slipway-job-") as name:
            folder = Path(name)
            tools = Tools(artifacts.read, artifacts.put, collected, folder, _say)
            outcome = await done(work, tools)
        await _store(artifacts, outcome.model_dump_json().encode())


async def fetch(url: str, sha256: str, folder: Path) -> None:
    """Put into the folder what the work needs."""
    handover = Handover(folder)
    async with _blobs(url) as (artifacts, collected):
        work = await _work(artifacts, sha256)
        await fetch_collected(work, collected, handover.collected, _say)
        _say(f"{await handover.fetch(work, artifacts.read)} files of the work fetched")


async def run(folder: Path) -> None:
    """Do it with what is in the folder."""
    handover = Handover(folder)
    with tempfile.TemporaryDirectory(prefix="slipway-job-") as name:
        tools = Tools(handover.read, handover.keep, LocalCollected(handover.collected), Path(name), _say)
        outcome = await done(handover.work(), tools)
    handover.end(outcome.model_dump_json())


async def store(url: str, sha256: str, folder: Path) -> None:
    """Store what the folder holds of it."""
    handover = Handover(folder)
    async with _blobs(url) as (artifacts, _):
        outcome = read_outcome(await _work(artifacts, sha256), handover.outcome())
        await stored_files(outcome, handover.kept, artifacts.put)
        await _store(artifacts, outcome.model_dump_json().encode())


async def _store(artifacts: AzureArtifactStore, outcome: bytes) -> None:
    stored = await artifacts.put(_once(outcome))
    text = StoredText(sha256=stored.sha256, size_bytes=stored.size_bytes).model_dump_json()
    Path(os.environ[RESULT_VARIABLE]).write_text(text)


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _asked(arguments: list[str]) -> bool:
    """Do what the arguments say; False when they say nothing that is known."""
    if arguments[:1] and arguments[0] in RESULT_OF and not os.environ.get(RESULT_VARIABLE):
        return False
    match arguments:
        case ["do", url, sha256]:
            await do(url, sha256)
        case ["fetch", url, sha256, folder]:
            await fetch(url, sha256, Path(folder))
        case ["run", folder]:
            await run(Path(folder))
        case ["store", url, sha256, folder]:
            await store(url, sha256, Path(folder))
        case ["--help"]:
            _say(__doc__ or "")
        case _:
            return False
    return True


def main() -> int:
    """The exit code."""
    logging.getLogger("azure").setLevel(logging.ERROR)
    try:
        if asyncio.run(_asked(sys.argv[1:])):
            return 0
        _say(__doc__ or "")
    except (Retryable, Conflict) as error:
        _say(str(error))
        return TRY_AGAIN
    except (SlipwayError, ValidationError) as error:
        _say(str(error))
    return 1


if __name__ == "__main__":
    sys.exit(main())
