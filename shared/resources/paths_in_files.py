"""Fields that name something elsewhere: a local path (checked to be there when the file is loaded from a tree), another
declared file (loaded too), an asset, a compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo

from shared.errors import Invalid
from shared.resources.bindings import is_binding
from shared.resources.references import (
    REFERENCE_RULE,
    ArmReference,
    AssetReference,
    DatastorePath,
    GitReference,
    LocalPath,
    UrlReference,
    parse_reference,
)
from shared.resources.shapes import checked_bindings, reference, refuse, surroundings

_EVERYTHING = "a path relative to this file, azureml:NAME:VERSION, azureml://datastores/D/paths/P, or a URL"
_CODE = "a folder relative to this file, git+https://..., a URL, or azureml:NAME:VERSION"
_COMPUTE = "azureml:NAME, NAME, local, or an ARM id"
_COMPONENT = f"a file relative to this file, azureml:NAME, {REFERENCE_RULE}"
MAX_PATH = 2048


def _exists(path: str, info: ValidationInfo) -> None:
    if (around := surroundings(info)) is None:
        return
    try:
        around.check_exists(path)
    except ValueError as error:
        raise refuse(f"{path!r} {error}", "a path that is there, relative to this file") from error


def load_nested(path: str, info: ValidationInfo, forms: tuple[str, ...]) -> None:
    """Load the declared file at `path` as one of `forms`. Its faults keep their own places."""
    if (around := surroundings(info)) is None:
        return
    try:
        around.load(path, forms)
    except Invalid as error:
        raise refuse(error.message, faults=error.faults) from error
    except ValueError as error:
        raise refuse(f"{path!r} {error}", "a declared file, relative to this file") from error


def _local_path(text: str, info: ValidationInfo) -> str:
    _exists(text, info)
    return text


def _any_path(text: str, info: ValidationInfo) -> str:
    if is_binding(text):
        return checked_bindings(text)
    found = reference(
        text, AssetReference, ArmReference, DatastorePath, UrlReference, LocalPath, GitReference, rule=_EVERYTHING
    )
    if isinstance(found, LocalPath):
        _exists(found.path, info)
    return text


def _code(text: str, info: ValidationInfo) -> str:
    if is_binding(text):
        return checked_bindings(text)
    found = reference(
        text, GitReference, UrlReference, AssetReference, ArmReference, DatastorePath, LocalPath, rule=_CODE
    )
    if isinstance(found, LocalPath):
        _exists(found.path, info)
    return text


def _versioned(text: str) -> str:
    found = reference(text, AssetReference, ArmReference, rule=REFERENCE_RULE)
    if isinstance(found, AssetReference) and not (found.version or found.label or found.registry):
        raise refuse(f"{text!r}: names no version and no label", REFERENCE_RULE)
    return text


def _versioned_or_binding(text: str) -> str:
    return checked_bindings(text) if is_binding(text) else _versioned(text)


def _compute(text: str) -> str:
    if is_binding(text):
        return checked_bindings(text)
    found = reference(text, AssetReference, ArmReference, LocalPath, rule=_COMPUTE)
    if isinstance(found, AssetReference) and (found.version or found.label):
        raise refuse(f"{text!r}: a compute has no version", _COMPUTE)
    return text


def _job(text: str, info: ValidationInfo) -> str:
    found = reference(text, AssetReference, ArmReference, LocalPath, rule="azureml:JOB, an ARM id, or a job's file")
    if isinstance(found, LocalPath):
        load_nested(found.path, info, ("commandJob", "pipelineJob", "sweepJob", "parallelJob"))
    return text


def component_of(*forms: str) -> Callable[[Any, ValidationInfo], Any]:
    """A validator of a component's reference; a local file is loaded as one of `forms`."""

    def check(text: str, info: ValidationInfo) -> str:
        path = text.removeprefix("file:")
        if path == text:
            found = reference(text, AssetReference, ArmReference, LocalPath, rule=_COMPONENT)
            if not isinstance(found, LocalPath):
                return text
        load_nested(path, info, forms)
        return text

    return check


def is_local(text: str) -> bool:
    """Whether `text` is a path beside the file, and no reference or address."""
    try:
        return isinstance(parse_reference(text), LocalPath)
    except ValueError:
        return False


_Text = Annotated[str, Field(min_length=1, max_length=MAX_PATH)]
LocalFile = Annotated[_Text, AfterValidator(_local_path)]  # a path relative to the file
AnyPath = Annotated[_Text, AfterValidator(_any_path)]  # where data or a model are
CodePath = Annotated[_Text, AfterValidator(_code)]
AssetText = Annotated[_Text, AfterValidator(_versioned)]
BindableAssetText = Annotated[_Text, AfterValidator(_versioned_or_binding)]
Compute = Annotated[_Text, AfterValidator(_compute)]
JobText = Annotated[_Text, AfterValidator(_job)]
