"""A deployment's files on this machine: the model's and the code's, in a folder that is there whole or not at all."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from shared.ports import DesiredDeployment
from shared.resources.model import ModelFile

DIGEST_LENGTH = 10


def digest_of(one: DesiredDeployment) -> str:
    """The same for what runs the same: everything but the name, the number of instances, and how requests are taken."""
    said = [
        one.model_name,
        one.model_version,
        [(file.path, file.sha256) for file in (*one.files, *one.code)],
        one.entry_script,
        one.environment_location,
        sorted(one.environ.items()),
    ]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:DIGEST_LENGTH]


def model_folder(one: DesiredDeployment) -> str:
    """Where the model's files are below the deployment's folder: in Azure ML's layout, which names the model."""
    return f"azureml-models/{one.model_name}/{one.model_version}"


async def materialised(folder: Path, one: DesiredDeployment, read_file: Callable[[str], AsyncIterator[bytes]]) -> Path:
    """The folder with the model and `code`; made when it is not there."""
    if folder.exists():
        return folder
    work = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    work.mkdir(parents=True)
    try:
        for below, files in ((model_folder(one), one.files), ("code", one.code)):
            for file in files:
                await _write(work / below / file.path, file, read_file)
        work.rename(folder)
    finally:
        await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)
    return folder


async def _write(path: Path, file: ModelFile, read_file: Callable[[str], AsyncIterator[bytes]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as out:
        async for chunk in read_file(file.sha256):
            await asyncio.to_thread(out.write, chunk)
