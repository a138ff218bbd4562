"""Sends declared files to be applied."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.cli.api import Api
from shared.cli.options import Options

if TYPE_CHECKING:
    from shared.cli.declared_folder import Sent


def applied(
    api: Api,
    options: Options,
    root: Path,
    sent: Sent,
    source: str | None,
    *,
    prune: bool = False,
    dry_run: bool = False,
) -> dict[str, Any]:
    """What became of each file. `root` is the folder that paths are relative to."""
    from shared.cli.declared_folder import provenance_of
    from shared.cli.push import send_files

    body: dict[str, Any] = {
        "files": [{"path": path, "text": text} for path, text in sent.texts.items()],
        "paths": sent.paths,
        "provenance": provenance_of(root, source),
        "dry_run": dry_run,
        "prune": prune,
    }
    if sent.files:
        body["upload_id"], _ = send_files(api, options, sent.files)
    found: dict[str, Any] = api.call("POST", "apply", body=body).document
    return found
