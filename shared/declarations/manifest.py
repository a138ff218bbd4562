"""The manifest of an upload: read, overridden, checked."""

from __future__ import annotations

import json
from dataclasses import dataclass

from shared.declarations.source import Source, load_source
from shared.declarations.validate import validate
from shared.errors import Fault, Invalid
from shared.paths import PATH_RULE, REMOTE_PREFIXES, is_remote, normal_path
from shared.resources.model import ModelDeclaration
from shared.resources.upload import UploadSpec

MANIFEST_NAMES = ("model.yml", "model.yaml")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest says: a declaration with a normal path, or the faults that keep it from being one."""

    declaration: ModelDeclaration | None
    faults: tuple[Fault, ...] = ()


def read_manifest(spec: UploadSpec) -> Manifest:
    """The manifest of an upload. Never raises: faults are part of what was found."""
    try:
        return Manifest(_declaration(spec))
    except Invalid as error:
        faults = error.faults or (Fault(error.message, file=spec.manifest_file),)
        if spec.declaration is not None:  # it came as JSON in a request: it has no lines
            faults = tuple(Fault(f.message, f"/model{f.pointer}", allowed=f.allowed) for f in faults)
        return Manifest(None, faults)


def _declaration(spec: UploadSpec) -> ModelDeclaration:
    source = _source(spec)
    if isinstance(source.value, dict):
        source.value.update(spec.overrides)
    declaration = validate(source, ModelDeclaration)
    if is_remote(declaration.path):
        return declaration
    path = normal_path(declaration.path)
    if path is None:
        fault = source.fault("/path", _why_not(declaration.path), PATH_RULE)
        raise Invalid(f"{source.file} names a path that is not accepted", faults=(fault,))
    return declaration.model_copy(update={"path": path or "."})


def _source(spec: UploadSpec) -> Source:
    if spec.unreadable is not None:
        raise Invalid(f"{spec.manifest_file} {spec.unreadable}")
    if spec.manifest is not None:
        return load_source(spec.manifest, spec.manifest_file)
    return load_source(json.dumps(spec.declaration or {}), spec.manifest_file)


def _why_not(path: str) -> str:
    if "://" in path or path.startswith("azureml:"):
        known = ", ".join(REMOTE_PREFIXES)
        return f"{path!r} is neither among the uploaded files nor at a place that files are brought from ({known})"
    return f"{path!r} is not a path inside the folder of the manifest"
