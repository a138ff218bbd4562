"""The declared files of a folder here and the files that they name, as they are sent to be applied."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.cli.errors import CliError, ExitCode
from shared.cli.git_provenance import provenance, repository_folder

if TYPE_CHECKING:
    from shared.syncing.tree import SourceTree

MAX_INLINE_BYTES = 128 * 1024  # a file that is sent as text in the request
MAX_REQUEST_BYTES = 1_500_000  # of all of them; the rest goes to an upload session


@dataclass(slots=True)
class Sent:
    """What is to be sent."""

    texts: dict[str, str] = field(default_factory=dict)  # path -> content, in the request itself
    files: dict[str, Path] = field(default_factory=dict)  # path -> file, by an upload session
    paths: list[str] | None = None  # the files to apply; None: all that declare something
    text_bytes: int = 0  # of the texts, as they stand in the request


def gathered(target: Path) -> tuple[Path, Sent]:
    """The root that paths are relative to (the folder; of a file the present folder, or else its own), and what is to
    be sent. Raises CliError when there is nothing."""
    from shared.syncing.loading import load_files, yaml_paths

    root, paths = _root(target)
    tree = _tree(root)
    wanted = yaml_paths(tree) if paths is None else paths
    if not wanted:
        raise CliError(f"there are no YAML files in {target}", ExitCode.USAGE, remedy="name a file, or another folder")
    loaded, _ = load_files(tree, paths)
    named = {path for file in loaded for local in file.locals for path in tree.under(local)}
    nested = {path for file in loaded for path in file.nested}
    sent = Sent(paths=paths)
    for path in sorted({*wanted, *named, *nested}):
        _add(sent, path, root / path)
    return root, sent


def composed(declaration: Mapping[str, Any], file: str, path: Path) -> tuple[Path, Sent]:
    """As `gathered`, of a declaration that stands in no file: `file` is what it is called, beside `path`, whose files
    it names."""
    root = path.resolve().parent
    sent = Sent(paths=[file])
    sent.texts[file] = json.dumps(declaration)
    tree = _tree(root if path.is_file() else path)
    for one in [path.name] if path.is_file() else [f"{path.name}/{name}" for name in tree.paths]:
        _add(sent, one, root / one)
    return root, sent


def provenance_of(root: Path, source: str | None) -> dict[str, Any]:
    """Where the files come from: the working copy's repository, branch and commit, and the build."""
    found = provenance(root)
    url = found.get("azureml.git.repository_uri")
    name = source or (url.rstrip("/").rpartition("/")[2].removesuffix(".git") if url else root.resolve().name)
    dirty = found.get("azureml.git.dirty")
    return {
        "source": name or "folder",
        "repository_url": url,
        "ref": found.get("azureml.git.branch"),
        "commit": found.get("azureml.git.commit"),
        "folder": repository_folder(root) if url else "",
        "is_dirty": None if dirty is None else dirty == "True",
        "build_id": found.get("azureml.git.build_id"),
        "build_uri": found.get("azureml.git.build_uri"),
    }


def _root(target: Path) -> tuple[Path, list[str] | None]:
    if target.is_dir():
        return target, None
    here = Path.cwd().resolve()
    file = target.resolve()
    root = here if file.is_relative_to(here) else file.parent
    return root, [file.relative_to(root).as_posix()]


def _tree(root: Path) -> SourceTree:
    from shared.syncing.tree import SourceTree

    files = {
        path.relative_to(root).as_posix(): path
        for path in sorted(root.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(root).parts)
    }
    return SourceTree(_Contents(files))


class _Contents(Mapping[str, bytes]):
    """Files that are read when they are asked for."""

    def __init__(self, files: dict[str, Path]) -> None:
        self._files = files

    def __getitem__(self, path: str) -> bytes:
        return self._files[path].read_bytes()

    def __contains__(self, path: object) -> bool:
        return path in self._files

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def _add(sent: Sent, path: str, file: Path) -> None:
    if not file.is_file():
        return  # the server says that it is not there, with its place
    text = _text(file)
    size = len(json.dumps(text).encode()) if text is not None else 0
    if text is None or sent.text_bytes + size > MAX_REQUEST_BYTES:
        sent.files[path] = file
        return
    sent.texts[path] = text
    sent.text_bytes += size + len(path) + 32


def _text(file: Path) -> str | None:
    """The content of a small text file; None for any other."""
    if file.stat().st_size > MAX_INLINE_BYTES:
        return None
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None
