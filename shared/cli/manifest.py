"""What `slipway model push PATH` sends: which files, under which paths, declared how. Whether the declaration is right
is for the server to say; here it is read only as far as needed to find its files."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from shared.cli.errors import CliError, ExitCode
from shared.paths import is_remote

MANIFEST_NAMES = ("model.yml", "model.yaml")
_MANIFEST_SUFFIXES = (".yml", ".yaml")
_ACCEPTED_FILE_NAME = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,254}")  # of `manifest_file` in the REST API


@dataclass(frozen=True, slots=True)
class Push:
    """A declaration and its files."""

    declaration: dict[str, Any]  # fields of the request that registers: manifest and manifest_file, or model
    files: dict[str, Path] = field(default_factory=dict)  # path in the upload -> file here; {}: none to send
    skipped: tuple[str, ...] = ()  # hidden files that are not sent
    source: Path | None = None  # the manifest's file, for messages
    is_remote: bool = False  # whether its files are at a URL, in a bucket or in a run

    @property
    def size_bytes(self) -> int:
        """Of all files together."""
        return sum(file.stat().st_size for file in self.files.values())


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the command line says about the model."""

    name: str | None = None
    description: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    type: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)  # other fields of the declaration, which win
    properties: dict[str, str] = field(default_factory=dict)  # which win
    provenance: dict[str, str] = field(default_factory=dict)  # properties that never win


def read_push(path: Path, given: Overrides) -> Push:
    """The push of a model.yml, a folder with one, or a bare file or folder with --name. Raises CliError when files
    are missing, click.UsageError when the model has no name."""
    if not path.exists():
        raise click.UsageError(f"there is no file or folder {path}")
    manifest = _manifest_in(path)
    return _declared(manifest, given) if manifest is not None else _bare(path, given)


def _manifest_in(path: Path) -> Path | None:
    if path.is_file():
        return path if path.suffix.lower() in _MANIFEST_SUFFIXES else None
    found = [path / name for name in MANIFEST_NAMES if (path / name).is_file()]
    if len(found) > 1:
        raise click.UsageError(f"{path} holds both {' and '.join(MANIFEST_NAMES)}: name the one you mean")
    return found[0] if found else None


def _bare(path: Path, given: Overrides) -> Push:
    if given.name is None:
        what = "a folder without model.yml" if path.is_dir() else "not a model.yml"
        raise click.UsageError(f"{path} is {what}: give the model a name with --name")
    inside = path.resolve().name
    model: dict[str, Any] = {"name": given.name, "path": inside, "type": given.type or _type_of(path)}
    files, skipped = collect_files(path, inside)
    return Push({"model": model, **_overriding(given, {})}, files, skipped)


def _declared(manifest: Path, given: Overrides) -> Push:
    if given.type is not None:
        raise click.UsageError(f"--type is for models without a manifest; {manifest} says it itself")
    try:
        text = manifest.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CliError(f"{manifest} is not UTF-8", ExitCode.REFUSED) from error
    known = manifest.name if _ACCEPTED_FILE_NAME.fullmatch(manifest.name) else MANIFEST_NAMES[0]
    document = _loaded(text)
    declaration = {"manifest": text, "manifest_file": known, **_overriding(given, document)}
    if is_remote(str(document.get("path"))):
        return Push(declaration, source=manifest, is_remote=True)
    inside = _inside(document)
    if inside is None:
        return Push(declaration, source=manifest)
    target = manifest.parent / inside
    if not target.exists():
        message = f"{manifest} names the path {document['path']!r}, but there is no file or folder {target}"
        raise CliError(message, ExitCode.REFUSED, remedy="`path` is relative to the folder of the manifest")
    files, skipped = collect_files(target, inside, leave_out=manifest)
    return Push(declaration, files, skipped, manifest)


def _overriding(given: Overrides, document: dict[str, Any]) -> dict[str, Any]:
    """The request's fields that win over the manifest's. Tags and properties of the command line are added to the
    manifest's; where the files come from never replaces what anybody declared."""
    tags = document.get("tags") if given.tags else None
    both = {**tags, **given.tags} if isinstance(tags, dict) else given.tags
    fields: dict[str, Any] = {"name": given.name, "description": given.description, "tags": both or None}
    declared = dict(given.facts)
    present = document.get("properties") or {}
    if (given.properties or given.provenance) and isinstance(present, dict):
        declared["properties"] = {**given.provenance, **present, **given.properties}
    fields["declared"] = declared or None
    return {key: value for key, value in fields.items() if value is not None}


def remote_push(uri: str, given: Overrides) -> Push:
    """The push of files that the server brings from somewhere else. Raises click.UsageError without a name."""
    if given.name is None:
        raise click.UsageError("give the model a name with --name")
    model: dict[str, Any] = {"name": given.name, "path": uri, "type": given.type or "custom_model"}
    return Push({"model": model, **_overriding(given, {})}, is_remote=True)


def _type_of(path: Path) -> str:
    """A folder that MLflow wrote is an MLflow model."""
    return "mlflow_model" if (path / "MLmodel").is_file() else "custom_model"


def _loaded(text: str) -> dict[str, Any]:
    """The mapping in the text, dates left as they are written; {} for anything else."""
    import yaml

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers = {  # noqa: RUF012  # PyYAML's own table, copied
            first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
            for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

    try:
        document = yaml.load(text, Loader)  # noqa: S506  # a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _inside(document: dict[str, Any]) -> str | None:
    """The declared path, relative to the manifest and normal; None when the server has to say what is wrong."""
    path = document.get("path")
    if not isinstance(path, str) or not path or path.startswith(("/", "azureml:")) or "://" in path or "\\" in path:
        return None
    normal = posixpath.normpath(path)
    return None if normal.split("/")[0] == ".." or "\0" in normal else normal


def collect_files(target: Path, inside: str, leave_out: Path | None = None) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Path in the upload -> file, for the file or all files below the folder; and the hidden ones left out."""
    if target.is_file():
        return {inside: target}, ()
    files: dict[str, Path] = {}
    skipped: list[str] = []
    for relative, file in _walk(target):
        path = relative if inside == "." else f"{inside}/{relative}"
        if any(part.startswith(".") for part in relative.split("/")):
            skipped.append(path)
        elif leave_out is None or not file.samefile(leave_out):
            files[path] = file
    if not files:
        raise CliError(f"there are no files in {target}", ExitCode.REFUSED)
    return files, tuple(skipped)


def _walk(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every file below the folder, sorted; of a hidden folder only the folder itself."""
    for here, folders, names in os.walk(folder):
        linked = [name for name in folders if os.path.islink(os.path.join(here, name))]
        if linked:
            remedy = "push the folder it points to, or copy its files"
            raise CliError(f"{os.path.join(here, linked[0])} is a link to a folder", ExitCode.REFUSED, remedy=remedy)
        hidden = [name for name in folders if name.startswith(".")]
        folders[:] = sorted(set(folders) - set(hidden))
        for name in sorted(names + hidden):
            file = Path(here, name)
            if not name.startswith(".") and not file.is_file():
                raise CliError(f"{file} is not a regular file", ExitCode.REFUSED)
            yield file.relative_to(folder).as_posix(), file
