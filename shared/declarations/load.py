"""A declared file with everything it names: the files beside it are there, those that are declared are valid too."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from shared.declarations.form import form_of
from shared.declarations.source import Source, load_source
from shared.declarations.trees import FileTree
from shared.declarations.validate import not_a_mapping, validate
from shared.errors import Fault, Invalid, SlipwayError
from shared.resources.base import Document
from shared.resources.forms import Form

MAX_DEPTH = 20  # files that name files
_TEMPLATE = re.compile(r"(?<![\$\{])\{\{[^}\n]*\}\}|\{%")


@dataclass(frozen=True, slots=True)
class Declared:
    """A declared file that is valid."""

    form: Form
    declaration: Document
    source: Source
    nested: tuple[Declared, ...] = ()  # the declared files it names, in order, each once
    warnings: tuple[Fault, ...] = ()  # what is read and will not run

    @property
    def kind(self) -> str:
        """The kind of resource it declares; "" for a conda file."""
        return self.form.kind

    @property
    def name(self) -> str | None:
        """The name it declares; None for forms that may have none."""
        name = getattr(self.declaration, "name", None)
        return name if isinstance(name, str) else None


def load_document(
    text: str, file: str, *, tree: FileTree | None = None, overrides: Mapping[str, Any] | None = None
) -> Declared:
    """The declaration in `text`; `overrides` are values given on the command line, such as a name. With a `tree`, in
    which `file` is a path, what it names is looked up. Raises Invalid with every fault, NotSupported for what Slipway
    does not run."""
    return Loader(tree).load_text(text, file, overrides=overrides)


@dataclass(slots=True)
class Loader:
    """Loads files of one tree; a file that several others name is read once."""

    tree: FileTree | None
    _loaded: dict[tuple[str, tuple[str, ...]], Declared | SlipwayError] = field(default_factory=dict)
    _sources: dict[str, Source] = field(default_factory=dict)
    _open: list[str] = field(default_factory=list)  # files that are being loaded, the outermost first

    def load(
        self, path: str, *, overrides: Mapping[str, Any] | None = None, expected: tuple[str, ...] = ()
    ) -> Declared:
        """The declared file at a path of the tree. Raises as load_document does, and Invalid when it cannot be read."""
        key = (path, expected)
        if overrides or key not in self._loaded:
            try:
                self._loaded[key] = self._load(self.source(path), overrides or {}, expected)
            except SlipwayError as error:
                self._loaded[key] = error
        found = self._loaded[key]
        if overrides:
            del self._loaded[key]
        if isinstance(found, SlipwayError):
            raise found
        return found

    def load_text(
        self, text: str, file: str, *, overrides: Mapping[str, Any] | None = None, expected: tuple[str, ...] = ()
    ) -> Declared:
        """The declaration in a text that stands at `file`."""
        return self._load(read_source(text, file), overrides or {}, expected)

    def source(self, path: str) -> Source:
        """The document at a path of the tree, read once. Raises Invalid when it cannot be read, or is no YAML."""
        if path not in self._sources:
            self._sources[path] = read_source(self.read(path), path)
        return self._sources[path]

    def _load(self, source: Source, overrides: Mapping[str, Any], expected: tuple[str, ...]) -> Declared:
        if not isinstance(source.value, dict):
            raise not_a_mapping(source)
        source = replace(source, value={**source.value, **overrides})
        form = form_of(source, expected)
        around = _Around(self, source.file) if self.tree is not None else None
        self._open.append(source.file)
        try:
            declaration = validate(source, form.shape, around)
        finally:
            self._open.pop()
        nested = tuple(around.nested.values()) if around else ()
        return Declared(form, declaration, source, nested, _not_run(source))

    def read(self, path: str) -> str:
        """The text of a file. Raises Invalid when it cannot be read."""
        assert self.tree is not None
        try:
            return self.tree.read_text(path)
        except (OSError, ValueError) as error:
            why = "it is not UTF-8" if isinstance(error, ValueError) else getattr(error, "strerror", None) or str(error)
            raise Invalid(
                f"{path} cannot be read: {why}", faults=(Fault(f"cannot be read: {why}", file=path),)
            ) from error

    def enter(self, path: str, expected: tuple[str, ...]) -> Declared:
        """A file that the file being loaded names. Raises ValueError for a cycle and for too deep a chain."""
        if path in self._open:
            raise ValueError(f"names a file that names it: {' > '.join([*self._open, path])}")
        if len(self._open) >= MAX_DEPTH:
            raise ValueError(f"is more than {MAX_DEPTH} files deep")
        return self.load(path, expected=expected)


@dataclass(slots=True)
class _Around:
    """What is around one file: shared.resources.shapes.Surroundings."""

    loader: Loader
    file: str
    nested: dict[str, Declared] = field(default_factory=dict)

    def check_exists(self, path: str) -> None:
        self._resolve(path)

    def load(self, path: str, forms: tuple[str, ...]) -> None:
        resolved = self._resolve(path)
        self.nested[resolved] = self.loader.enter(resolved, forms)

    def _resolve(self, path: str) -> str:
        assert self.loader.tree is not None
        if "\x00" in path or len(path) > 2048:
            raise ValueError("is not a path")
        resolved = posixpath.normpath(posixpath.join(posixpath.dirname(self.file), path))
        outside = resolved.startswith("/") or resolved == ".." or resolved.startswith("../")
        if outside and not self.loader.tree.open_ended:
            raise ValueError("leads out of the folder that is applied")
        try:
            there = self.loader.tree.exists("" if resolved == "." else resolved)
        except OSError:
            there = False
        if not there:
            raise ValueError("does not exist")
        return resolved


def read_source(text: str, file: str) -> Source:
    """The document in a text, like load_source; a template that is not filled in is told as what it is."""
    try:
        return load_source(text, file)
    except Invalid as error:
        if (found := _TEMPLATE.search(text)) is None:
            raise
        before = text[: found.start()]
        line, column = before.count("\n") + 1, found.start() - (before.rfind("\n") + 1) + 1
        message = f"{found[0]!r} is a placeholder of a template: the file is no YAML until it is filled in"
        fault = Fault(message, "", file, line, column, "a YAML document")
        raise Invalid(f"{file} is a template", faults=(fault,), remedy="fill the template in first") from error


def _not_run(source: Source) -> tuple[Fault, ...]:
    from shared.resources.shapes import fold
    from shared.resources.unsupported import BY_TYPE

    jobs = source.value.get("jobs")
    found = []
    for name, node in jobs.items() if isinstance(jobs, dict) else ():
        kind = fold(node.get("type")) if isinstance(node, dict) else ""
        if what := BY_TYPE.get(kind):
            message = (
                f"the node {name!r} is read and will not run: {what.what} are not supported, because {what.because}"
            )
            found.append(source.fault(f"/jobs/{name}/type", message, f"instead, {what.instead}"))
    return tuple(found)
