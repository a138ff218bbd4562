"""Registers files that are somewhere else: they stream through this process, a chunk at a time, hashed on the way."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from shared.cli.api import Api, raise_for_status, segment
from shared.cli.errors import CliError, ExitCode
from shared.cli.options import Options
from shared.cli.progress import Advance, transfer_progress
from shared.cli.push import FAILED_PHASES, registered_version
from shared.cli.transfer import MAX_PUT_BYTES, where_answered

MAX_ATTEMPTS = 100  # uploads of one thing that failed before
FACTS = (
    *("type", "framework", "framework_version", "stage", "flavors", "sample_input", "sample_output"),
    *("resource_configuration", "datasets", "run_id", "experiment_name", "description", "tags", "properties"),
)


@dataclass(frozen=True, slots=True)
class RelayedFile:
    """A file at another place."""

    path: str  # in the model
    size_bytes: int
    sha256: str | None  # None: its place does not say
    read: Callable[[], AbstractContextManager[Iterator[bytes]]]


@dataclass(frozen=True, slots=True)
class Relayed:
    """What became of it."""

    version: dict[str, Any]  # the REST document
    known: bool  # whether an earlier call had registered it


def relay(
    api: Api,
    options: Options,
    key: Sequence[str],
    declaration: Mapping[str, Any],
    origin: Mapping[str, Any],
    files: Sequence[RelayedFile],
) -> Relayed:
    """Send the files and register them. `key` says what is being registered: the same again finds it done, and an
    interrupted one, of which nothing is registered, begins again. Raises CliError for what the server refuses, and when
    it has other bytes than were read."""
    upload_id, version = _begun(api, key)
    if version is not None:
        return Relayed(version, known=True)
    body = {"upload_id": upload_id, "files": [{"path": f.path, "size_bytes": f.size_bytes} for f in files]}
    session = api.call("POST", "uploads", body=body).document
    targets = {target["path"]: target for target in session["files"]}
    with transfer_progress(
        options, f"Sending {declaration['name']}", sum(file.size_bytes for file in files)
    ) as advance:
        sent = {file.path: _send(api, file, targets[file.path], advance) for file in files}
    request = {"upload_id": upload_id, "model": {**declaration, "unpack": False}, "origin": origin}
    answer = api.call("POST", "models", body={**request, "files": sorted(sent)})
    document = registered_version(api, answer.document) if answer.status == 202 else answer.document
    received = {file["path"]: file["sha256"] for file in document["files"]}
    if received != sent:
        raise CliError(f"{document['id']} was registered with other content than was sent")
    return Relayed(document, known=False)


def _begun(api: Api, key: Sequence[str]) -> tuple[str, dict[str, Any] | None]:
    """The upload of that key, and the version it became already. One that failed is not taken up again."""
    for attempt in range(MAX_ATTEMPTS):
        text = "\n".join([*key, str(attempt)])
        upload_id = f"c-{hashlib.sha256(text.encode()).hexdigest()[:40]}"
        try:
            upload = api.get(f"uploads/{upload_id}")
        except CliError as error:
            if error.exit_code != ExitCode.NOT_FOUND:
                raise
            return upload_id, None
        if upload.get("model_id"):
            name, _, version = str(upload["model_id"]).rpartition(":")
            return upload_id, api.get(f"models/{segment(name)}/versions/{segment(version)}")
        if upload["phase"] not in FAILED_PHASES:
            return upload_id, None
    raise CliError(f"{MAX_ATTEMPTS} uploads of it failed", ExitCode.REFUSED, remedy="`slipway upload list` says why")


def _send(api: Api, file: RelayedFile, target: Mapping[str, Any], advance: Advance) -> str:
    """PUT the file to where the upload session says; its SHA-256. Raises CliError when other bytes were read, or
    received, than there should be."""
    url = api.absolute(target["url"])
    if "://" in target["url"] and file.size_bytes > MAX_PUT_BYTES:
        raise CliError(
            f"{file.path} is larger than the {MAX_PUT_BYTES} bytes that Azure takes at once", ExitCode.REFUSED
        )

    def step() -> str:
        digest = hashlib.sha256()

        def body(chunks: Iterator[bytes]) -> Iterator[bytes]:
            for chunk in chunks:
                digest.update(chunk)
                yield chunk
                advance(len(chunk))

        length = {"Content-Length": str(file.size_bytes), "Content-Type": "application/octet-stream"}
        with file.read() as chunks:
            response = api.client_for(url).put(url, content=body(chunks), headers={**length, **target["headers"]})
        raise_for_status(response, where_answered("PUT", response))
        found = digest.hexdigest()
        if found != (file.sha256 or found) or found != response.headers.get("x-ms-content-sha256", found):
            raise CliError(f"{file.path}: other bytes arrived than were stored", transient=True, remedy="try again")
        return found

    return api.retrying(step)
