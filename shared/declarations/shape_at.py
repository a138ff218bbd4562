"""The shape at a place of a document: what keys are known there."""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import Tag

from shared.resources.base import Document


def shape_at(shape: Any, loc: tuple[int | str, ...]) -> type[Document] | None:
    """The document class that a pydantic location leads to, starting at `shape`; None where there is none."""
    if get_origin(shape) is Annotated:
        return shape_at(get_args(shape)[0], loc)
    if get_origin(shape) in (Union, UnionType):
        return _branch(get_args(shape), loc)
    if isinstance(shape, type) and issubclass(shape, Document):
        return _field(shape, loc)
    arguments = get_args(shape)  # of list[X] and dict[str, X]
    return shape_at(arguments[-1], loc[1:]) if arguments and loc else None


def _field(shape: type[Document], loc: tuple[int | str, ...]) -> type[Document] | None:
    if not loc:
        return shape
    for name, field in shape.model_fields.items():
        if loc[0] in (name, field.alias):
            return shape_at(field.annotation, loc[1:])
    return None


def _branch(branches: tuple[Any, ...], loc: tuple[int | str, ...]) -> type[Document] | None:
    tagged = [branch for branch in branches if loc and _tag(branch) == loc[0]]
    if tagged:
        return shape_at(tagged[0], loc[1:])
    found = (shape_at(branch, loc) for branch in branches if branch is not type(None) and _tag(branch) is None)
    return next((each for each in found if each is not None), None)


def _tag(branch: Any) -> str | None:
    marks = get_args(branch)[1:] if get_origin(branch) is Annotated else ()
    return next((mark.tag for mark in marks if isinstance(mark, Tag)), None)
