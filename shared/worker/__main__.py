"""`python -m shared.worker BLOBS_URL SHA256`: does the work that the artifact says, and stores what comes of it.

BLOBS_URL is the account with the artifacts and the collected data; the identity is the pod's own. What comes of it is
an artifact, too, whose SHA-256 and size are written to the path in SLIPWAY_JOB_RESULT. Exits with 0 when that was
written, also when the work came to nothing, and the outcome says why; with 75 when a service did not answer, so that it
is worth another try; with 1 and the reason on standard output otherwise.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from pydantic import ValidationError

from shared.adapters.azure.artifact_store import AzureArtifactStore
from shared.adapters.azure.blob_service import open_blob_service
from shared.adapters.azure.collected_data import CollectedData
from shared.adapters.azure.credentials import default_credential
from shared.adapters.jobs.works import TRY_AGAIN
from shared.adapters.local.clock import SystemClock
from shared.errors import Conflict, Retryable, SlipwayError
from shared.ports.jobs import RESULT_VARIABLE
from shared.resources.build import StoredText
from shared.resources.job_work import WORK
from shared.worker.works import Tools, done


async def work(blobs_url: str, sha256: str, result_path: Path, folder: Path) -> None:
    """Do it. Raises SlipwayError, ValidationError for a work of another version."""
    async with default_credential() as credential, open_blob_service(blobs_url, credential) as service:
        artifacts = AzureArtifactStore(service, SystemClock())
        document = b"".join([chunk async for chunk in artifacts.read(sha256)])
        outcome = await done(WORK.validate_json(document), Tools(artifacts, CollectedData(service), folder, _say))
        stored = await artifacts.put(_once(outcome.model_dump_json().encode()))
    result_path.write_text(StoredText(sha256=stored.sha256, size_bytes=stored.size_bytes).model_dump_json())


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """The exit code."""
    logging.getLogger("azure").setLevel(logging.ERROR)
    if len(sys.argv) != 3 or not os.environ.get(RESULT_VARIABLE):
        _say(f"usage: {RESULT_VARIABLE}=PATH python -m shared.worker BLOBS_URL SHA256")
        return 1
    try:
        with tempfile.TemporaryDirectory(prefix="slipway-job-") as folder:
            asyncio.run(work(sys.argv[1], sys.argv[2], Path(os.environ[RESULT_VARIABLE]), Path(folder)))
    except (Retryable, Conflict) as error:
        _say(str(error))
        return TRY_AGAIN
    except (SlipwayError, ValidationError) as error:
        _say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
