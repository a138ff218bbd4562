"""Download the files of a model version."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from shared.cli.api import Api, segment
from shared.cli.errors import CliError, ExitCode
from shared.cli.fetch import PARALLEL, Wanted, fetch_files
from shared.cli.options import Options
from shared.cli.partial_download import PartialDownload
from shared.cli.progress import transfer_progress


def download_version(
    api: Api,
    options: Options,
    version: Mapping[str, Any],
    folder: Path,
    *,
    force: bool,
    only: str | None = None,
    parallel: int = PARALLEL,
) -> list[tuple[dict[str, Any], Path]]:
    """Every file's document and where it is now; with `only`, that file alone. What is there already with the same
    bytes is left alone. Raises CliError before anything is downloaded when another file is in the place of one (unless
    `force`), when the version has no file `only`, or when the server names a path outside the folder."""
    files = [file for file in version["files"] if only in (None, file["path"])]
    if not files:
        known = ", ".join(file["path"] for file in version["files"][:20])
        raise CliError(f"{version['id']} has no file {only!r}", ExitCode.NOT_FOUND, remedy=f"it has {known}")
    targets = [(file, target_in(folder, file["path"])) for file in files]
    there = [target for file, target in targets if _is_there(target, file)]
    taken = [str(target) for _, target in targets if target not in there and (target.exists() or target.is_symlink())]
    if taken and not force:
        remedy = "give another folder, or --force to replace them"
        raise CliError(f"{', '.join(taken)} would be overwritten", ExitCode.REFUSED, remedy=remedy)
    base = f"models/{segment(version['name'])}/versions/{segment(version['version'])}/files"
    wanted = [
        Wanted(file["path"], f"{base}/{quote(file['path'], safe='/')}", _partial(file, target))
        for file, target in targets
        if target not in there
    ]
    with transfer_progress(options, "Downloading", sum(one.partial.size_bytes for one in wanted)) as advance:
        fetch_files(api, wanted, advance, parallel=parallel)
    return targets


def _partial(file: Mapping[str, Any], target: Path) -> PartialDownload:
    return PartialDownload(target, file["size_bytes"], file["sha256"])


def _is_there(target: Path, file: Mapping[str, Any]) -> bool:
    """Whether the target is a file with just these bytes."""
    if not target.is_file() or target.is_symlink() or target.stat().st_size != file["size_bytes"]:
        return False
    with target.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == str(file["sha256"])


def target_in(folder: Path, path: str) -> Path:
    """The place of a file with that path in the folder. Raises CliError for a path, or a link in the folder, that
    leads out of it: the server does not decide where files are written."""
    parts = PurePosixPath(path).parts
    target = folder.joinpath(*parts)
    unsafe = not parts or path.startswith("/") or ".." in parts or "\\" in path or ":" in path or not path.isprintable()
    if unsafe or not target.parent.resolve().is_relative_to(folder.resolve()) or target.is_dir():
        raise CliError(f"{path!r} cannot be written inside {folder}", ExitCode.REFUSED)
    return target
