"""Upload files and register them as a model version."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.cli.api import Api, segment
from shared.cli.errors import CliError, ExitCode
from shared.cli.manifest import MANIFEST_NAMES, Push
from shared.cli.options import Options
from shared.cli.progress import transfer_progress
from shared.cli.transfer import send_file

FIRST_POLL_S = 0.2
MAX_POLL_S = 5.0
FAILED_PHASES = ("Failed", "Superseded")


def push_model(api: Api, options: Options, push: Push) -> dict[str, Any]:
    """The registered version (the REST document). Raises CliError when the server refuses it, with every fault, or
    registered other bytes than were sent; with TIMED_OUT when it still waits after timeout_s."""
    if not push.files:
        return _without_files(api, push)
    upload_id, sent = send_files(api, options, push.files)
    version = _register(api, upload_id, push, files=sorted(push.files))
    received = {file["path"]: file["sha256"] for file in version["files"]}
    wrong = sorted(path for path in sent.keys() | received.keys() if sent.get(path) != received.get(path))
    if wrong:
        raise CliError(f"{version['id']} was registered with other content than was sent: {', '.join(wrong)}")
    return version


def send_files(api: Api, options: Options, files: Mapping[str, Path]) -> tuple[str, dict[str, str]]:
    """The id of an upload session to which the files (path -> file here) were sent, and the SHA-256 by path."""
    session = _session(api, {path: file.stat().st_size for path, file in files.items()})
    targets = {target["path"]: target for target in session["files"]}
    sent: dict[str, str] = {}
    with transfer_progress(options, "Uploading", sum(file.stat().st_size for file in files.values())) as advance:
        for path, file in files.items():
            sent[path] = send_file(api, file, targets[path], advance)
    return session["upload_id"], sent


def _session(api: Api, size_by_path: Mapping[str, int]) -> dict[str, Any]:
    files = [{"path": path, "size_bytes": size_bytes} for path, size_bytes in size_by_path.items()]
    session: dict[str, Any] = api.call("POST", "uploads", body={"files": files}).document
    absent = sorted(size_by_path.keys() - {target["path"] for target in session["files"]})
    if absent:
        raise CliError(f"the server gave no place to send {', '.join(absent)} to")
    return session


def _without_files(api: Api, push: Push) -> dict[str, Any]:
    """The manifest names no files to send: they are elsewhere, and the server brings them; or it says all that is wrong
    with the manifest, in its words."""
    session = _session(api, {MANIFEST_NAMES[0]: 0})
    document = _register(api, session["upload_id"], push, files=None, wait=push.is_remote)
    if push.is_remote:
        return document
    raise CliError(f"{push.source} names no path whose files could be sent", ExitCode.REFUSED)


def _register(api: Api, upload_id: str, push: Push, *, files: list[str] | None, wait: bool = True) -> dict[str, Any]:
    body = {"upload_id": upload_id, **push.declaration, **({"files": files} if files else {})}
    try:
        answer = api.call("POST", "models", body=body)
        document: dict[str, Any] = answer.document
        return registered_version(api, document) if answer.status == 202 and wait else document
    except CliError as error:
        raise _placed(error, push) from error


def registered_version(api: Api, upload: dict[str, Any]) -> dict[str, Any]:
    """The version that an upload becomes, once it has. Raises CliError when it failed, and with TIMED_OUT."""
    end = time.monotonic() + api.timeout_s
    pause_s = FIRST_POLL_S
    while not upload.get("model_id"):
        if upload["phase"] in FAILED_PHASES:
            raise _refusal(upload)
        if time.monotonic() + pause_s > end:
            raise _timed_out(upload, api.timeout_s)
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, MAX_POLL_S)
        upload = api.get(f"uploads/{segment(upload['upload_id'])}")
    name, _, version = str(upload["model_id"]).rpartition(":")
    found: dict[str, Any] = api.get(f"models/{segment(name)}/versions/{segment(version)}")
    return found


def why_not_registered(upload: Mapping[str, Any]) -> str:
    """What an upload waits for or died of, in a line; "" when it is registered or nothing is known."""
    if upload.get("model_id"):
        return ""
    if upload.get("missing"):
        return f"files missing: {', '.join(upload['missing'])}"
    if upload.get("faults"):
        return "; ".join(str(fault.get("message")) for fault in upload["faults"])
    return "; ".join(c["message"] for c in upload.get("conditions", []) if c.get("message"))


def _refusal(upload: dict[str, Any]) -> CliError:
    message = f"the upload {upload['upload_id']} is {upload['phase']}: {why_not_registered(upload)}"
    return CliError(message, ExitCode.REFUSED, faults=upload.get("faults") or (), remedy="correct it and push again")


def _timed_out(upload: dict[str, Any], timeout_s: float) -> CliError:
    message = f"the upload {upload['upload_id']} is still {upload['phase']} after {timeout_s:g} s"
    why = why_not_registered(upload)
    remedy = f"`slipway upload show {upload['upload_id']}` shows how it goes on"
    return CliError(f"{message} ({why})" if why else message, ExitCode.TIMED_OUT, remedy=remedy)


def _placed(error: CliError, push: Push) -> CliError:
    """The error with the manifest named as it is here, so that an editor can jump to file:line:column."""
    sent = push.declaration.get("manifest_file")
    if push.source is None or sent is None:
        return error
    error.faults = tuple({**f, "file": str(push.source)} if f.get("file") == sent else f for f in error.faults)
    return error
