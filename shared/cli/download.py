"""Download the files of a model version."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from shared.cli.api import Api, segment
from shared.cli.errors import CliError, ExitCode
from shared.cli.options import Options
from shared.cli.progress import transfer_progress
from shared.cli.transfer import fetch_file


def download_version(
    api: Api, options: Options, version: Mapping[str, Any], folder: Path, *, force: bool
) -> list[tuple[dict[str, Any], Path]]:
    """Every file's document and where it is now. Raises CliError before anything is downloaded when a file is there
    already (unless `force`) or the server names a path outside the folder."""
    targets = [(file, target_in(folder, file["path"])) for file in version["files"]]
    taken = [str(target) for _, target in targets if target.exists() or target.is_symlink()]
    if taken and not force:
        remedy = "give another --output-dir, or --force to replace them"
        raise CliError(f"{', '.join(taken)} would be overwritten", ExitCode.REFUSED, remedy=remedy)
    base = f"models/{segment(version['name'])}/versions/{segment(version['version'])}/files"
    with transfer_progress(options, "Downloading", version["size_bytes"]) as advance:
        for file, target in targets:
            fetch_file(api, f"{base}/{quote(file['path'], safe='/')}", target, file, advance)
    return targets


def target_in(folder: Path, path: str) -> Path:
    """The place of a file with that path in the folder. Raises CliError for a path, or a link in the folder, that
    leads out of it: the server does not decide where files are written."""
    parts = PurePosixPath(path).parts
    target = folder.joinpath(*parts)
    unsafe = not parts or path.startswith("/") or ".." in parts or "\\" in path or ":" in path or not path.isprintable()
    if unsafe or not target.parent.resolve().is_relative_to(folder.resolve()) or target.is_dir():
        raise CliError(f"{path!r} cannot be written inside {folder}", ExitCode.REFUSED)
    return target
