"""Finds the declared files of a tree and loads them, with everything they name."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.declarations.form import looks_declared
from shared.declarations.load import Declared, Loader
from shared.declarations.source import MAX_BYTES, Source
from shared.errors import Fault, Invalid, SlipwayError
from shared.paths import is_remote
from shared.resources.declared import ENDPOINT_OF, VERSIONED_KINDS, deployment_name
from shared.resources.model import KIND as MODEL
from shared.resources.sync import MAX_FILES, FileOutcome, FileResult
from shared.syncing.references import Need, needs_of
from shared.syncing.tree import SourceTree

SUFFIXES = (".yml", ".yaml")
# Keys that are the resource's own and not its spec's.
_OF_THE_RESOURCE = frozenset({"$schema", "version", "description", "tags", "properties"})
_SEVERAL = re.compile(rb"^[^\s#-].*$[\s\S]*?^---\s*$", re.MULTILINE)  # a document begins after another one
_ORDER = (
    "environment",
    "data",
    "component",
    "model",
    "online-endpoint",
    "batch-endpoint",
    "online-deployment",
    "batch-deployment",
    "job",
    "schedule",
    "monitor",
    "model-package",
)


@dataclass(frozen=True, slots=True)
class DeclaredFile:
    """A declared file that is valid, as far as can be told without looking at what exists."""

    path: str
    line: int  # where the declaration begins
    kind: str
    name: str  # the resource's name
    version: str | None  # the version it asks for; None: none, or a kind without versions
    declared: Declared
    declaration: dict[str, Any]  # what goes into the spec
    needs: tuple[Need, ...]  # resources that must be there first
    locals: tuple[str, ...]  # files and folders of the tree it names, but for declared files
    nested: tuple[str, ...]  # paths of the declared files it names

    @property
    def source(self) -> Source:
        """The document, for the places of faults."""
        return self.declared.source

    @property
    def identity(self) -> tuple[str, str, str | None]:
        """What no two files may both declare."""
        return self.kind, self.name, self.version

    def outcome(self, result: FileResult, reason: str = "", **more: Any) -> FileOutcome:
        """What became of this file."""
        fields = {"kind": self.kind, "name": self.name, "version": self.version, **more}
        return FileOutcome(path=self.path, line=self.line, result=result, reason=reason, **fields)

    def refused(self, reason: str, faults: Iterable[Fault] = ()) -> FileOutcome:
        """That this file was refused."""
        return self.outcome(FileResult.REFUSED, reason, faults=[fault.as_dict() for fault in faults])


def yaml_paths(tree: SourceTree) -> list[str]:
    """Every YAML file of the tree but those in hidden folders, sorted."""
    return [
        path
        for path in tree.paths
        if path.endswith(SUFFIXES) and not any(part.startswith(".") for part in path.split("/"))
    ]


def load_files(tree: SourceTree, paths: Sequence[str] | None) -> tuple[list[DeclaredFile], list[FileOutcome]]:
    """The declared files in the order in which they are applied, and the outcomes of those that go no further. A file
    that `paths` names must declare something; other YAML of a tree is passed over.
    Raises Invalid for too many files."""
    wanted = yaml_paths(tree) if paths is None else sorted(set(paths))
    if len(wanted) > MAX_FILES:
        raise Invalid(f"{len(wanted)} YAML files are too many", remedy=f"apply at most {MAX_FILES} at a time")
    folders = _folders(tree)
    loaded = [_load(tree, folders, path, was_named=paths is not None) for path in wanted]
    files = [one for one in loaded if isinstance(one, DeclaredFile)]
    done = [one for one in loaded if isinstance(one, FileOutcome)]
    files, templates = _without_templates(files)
    files, twice = _without_doubles(files)
    return in_order(files), done + templates + twice


def in_order(files: Sequence[DeclaredFile]) -> list[DeclaredFile]:
    """What others refer to comes first; else by kind, then path."""
    ranked = sorted(files, key=lambda file: (_ORDER.index(file.kind), file.path))
    by_name: dict[tuple[str, str], list[DeclaredFile]] = {}
    for file in ranked:
        by_name.setdefault((file.kind, file.name), []).append(file)
    ordered: dict[str, DeclaredFile] = {}
    entered: set[str] = set()

    def visit(file: DeclaredFile) -> None:
        if file.path in entered:
            return
        entered.add(file.path)
        for need in file.needs:
            for other in by_name.get((need.kind, need.name), ()):
                visit(other)
        ordered[file.path] = file

    for file in ranked:
        visit(file)
    return list(ordered.values())


@dataclass(slots=True)
class _Watched:
    """The tree as the loader sees it; notes which paths are named."""

    tree: SourceTree
    folders: frozenset[str]
    named: set[str] = field(default_factory=set)
    open_ended: bool = False

    def exists(self, path: str) -> bool:
        """Whether a file or a folder is there."""
        self.named.add(path)
        return path in self.tree.files or path in self.tree.large or path in self.folders

    def read_text(self, path: str) -> str:
        """The file's text. Raises OSError when it is not at hand, ValueError when it is not UTF-8."""
        if path not in self.tree.files:
            why = self.tree.skipped.get(path) or ("it is too large" if path in self.tree.large else "it is not there")
            raise OSError(0, why)
        return self.tree.files[path].decode()


def _folders(tree: SourceTree) -> frozenset[str]:
    found = {""}
    for path in tree.paths:
        while path := posixpath.dirname(path):
            found.add(path)
    return frozenset(found)


def _load(tree: SourceTree, folders: frozenset[str], path: str, *, was_named: bool) -> DeclaredFile | FileOutcome:
    if not was_named and (why := _foreign(tree, path)):
        return FileOutcome(path=path, result=FileResult.IGNORED, reason=why)
    watched = _Watched(tree, folders)
    loader = Loader(watched)
    try:
        source = loader.source(path)
        if not looks_declared(source) and not was_named:
            return FileOutcome(path=path, result=FileResult.IGNORED, reason="it declares nothing")
        return _declared_file(path, loader.load(path), watched)
    except SlipwayError as error:
        return _unloaded(path, error)


def _foreign(tree: SourceTree, path: str) -> str | None:
    """Why a YAML file that cannot be read as a declared file is somebody else's; None when it may be one."""
    if path in tree.large or len(tree.files.get(path, b"")) > MAX_BYTES:
        return f"it is larger than {MAX_BYTES} bytes, which no declared file is"
    if path in tree.files and b"azureml" not in tree.files[path] and _SEVERAL.search(tree.files[path]):
        return "it holds several documents, which no declared file does"
    return None


def _unloaded(path: str, error: SlipwayError) -> FileOutcome:
    faults = error.faults or (Fault(error.message, file=path, line=1, column=1),)
    return FileOutcome(
        path=path,
        line=faults[0].line if faults[0].file == path else 1,
        result=FileResult.REFUSED,
        reason=f"{error.message}; {error.remedy}" if error.remedy and not error.faults else error.message,
        faults=[{"code": error.code, **fault.as_dict()} for fault in faults],
    )


def _declared_file(path: str, declared: Declared, watched: _Watched) -> DeclaredFile:
    dumped = declared.declaration.model_dump(mode="json", by_alias=True, exclude_unset=True)
    declaration = {key: value for key, value in dumped.items() if key not in _OF_THE_RESOURCE}
    kind = declared.kind
    nested = tuple(sorted(_nested_paths(declared)))
    local = watched.named - set(nested)
    if kind == MODEL:
        local = _model_path(path, declared, watched)
    version = getattr(declared.declaration, "version", None) if kind in VERSIONED_KINDS else None
    return DeclaredFile(
        path=path,
        line=declared.source.positions.get("", (1, 1))[0],
        kind=kind,
        name=_name(path, kind, declared),
        version=None if version is None else str(version),
        declared=declared,
        declaration=declaration,
        needs=needs_of(kind, declaration),
        locals=tuple(sorted(local)),
        nested=nested,
    )


def _nested_paths(declared: Declared) -> set[str]:
    return {path for one in declared.nested for path in ({one.source.file} | _nested_paths(one))}


def _model_path(path: str, declared: Declared, watched: _Watched) -> set[str]:
    """The file or folder of the tree that a model's `path` names; empty for one that is elsewhere."""
    said = str(declared.declaration.model_dump()["path"])
    if is_remote(said):
        return set()
    source = declared.source
    if said.startswith(("/", "azureml:")) or "://" in said or "\\" in said:
        fault = source.fault(
            "/path",
            f"{said!r}: not accepted",
            "a path relative to this file, https://, s3://, azureml://datastores/, wasbs://, abfss:// or runs:/",
        )
        raise Invalid(f"{path} names a path that is not accepted", faults=(fault,))
    resolved = posixpath.normpath(posixpath.join(posixpath.dirname(path), said))
    resolved = "" if resolved == "." else resolved
    if resolved.startswith("../") or resolved == "..":
        fault = source.fault("/path", f"{said!r} leads out of the folder that is applied")
        raise Invalid(f"{path} names a path that is not accepted", faults=(fault,))
    if why := watched.tree.skipped.get(resolved):
        raise Invalid(f"{path} names a file that was not read", faults=(source.fault("/path", f"{said!r}: {why}"),))
    if not watched.exists(resolved):
        fault = source.fault("/path", f"{said!r} does not exist", "a path that is there, relative to this file")
        raise Invalid(f"{path} names a file that is not there", faults=(fault,))
    return {resolved}


def _name(path: str, kind: str, declared: Declared) -> str:
    """The resource's name. A job without a name is named by its file, so that applying it again finds it."""
    declaration = declared.declaration
    if kind == "model-package":
        target = getattr(declaration, "target_environment", "")
        return target if isinstance(target, str) else str(getattr(target, "name", ""))
    if kind in ENDPOINT_OF:
        return deployment_name(str(getattr(declaration, "endpoint_name", "")), str(declared.name))
    return declared.name or name_of_path(path)


def name_of_path(path: str) -> str:
    """The name of what a file without a name declares: jobs/train.yml -> jobs-train."""
    stem = posixpath.splitext(path)[0]
    return re.sub(r"[^a-zA-Z0-9_-]+", "-", stem).strip("-_")[:200] or "unnamed"


def _without_templates(files: Sequence[DeclaredFile]) -> tuple[list[DeclaredFile], list[FileOutcome]]:
    """Without the jobs that other files name: those are what a schedule starts, not jobs of their own."""
    users = {path: file.path for file in files for path in file.nested}
    templates = [file for file in files if file.kind == "job" and file.path in users]
    ignored = [
        file.outcome(FileResult.IGNORED, f"it belongs to {users[file.path]}, which starts it") for file in templates
    ]
    left_out = {file.path for file in templates}
    return [file for file in files if file.path not in left_out], ignored


def _without_doubles(files: Sequence[DeclaredFile]) -> tuple[list[DeclaredFile], list[FileOutcome]]:
    """Without the files that declare the same: neither can be preferred, and each would undo the other."""
    alike: dict[tuple[str, str, str | None], list[DeclaredFile]] = {}
    for file in files:
        alike.setdefault(file.identity, []).append(file)
    refused = []
    for group in alike.values():
        for file in group if len(group) > 1 else ():
            others = ", ".join(other.path for other in group if other is not file)
            fault = file.source.fault("/name", f"{file.kind} {file.name!r} is declared by {others} too")
            refused.append(file.refused(f"{others} declares the same", (fault,)))
    return [file for file in files if len(alike[file.identity]) == 1], refused
