"""What workers answer, read as what a stranger wrote: the worker that opened the model may be the model's by then."""

from __future__ import annotations

from typing import TypeVar

from pydantic import Field, ValidationError

from shared.errors import Permanent
from shared.optimization.sandbox import Finished
from shared.resources.base import Document
from shared.resources.optimization import Interval, Latency, Variant, VariantResult

MAX_NAMES = 1000


class Converted(Document):
    """Of `convert`."""

    outputs: list[str] = Field(min_length=1, max_length=MAX_NAMES)
    opsets: dict[str, int] = Field(max_length=MAX_NAMES)
    packages: dict[str, str] = Field(max_length=MAX_NAMES)


class Made(Document):
    """Of `variants`."""

    variants: list[VariantResult]
    calibration_rows: int = Field(ge=0)


class Measured(Document):
    """Of `measure`."""

    latencies: dict[Variant, list[Latency]]
    gains: dict[Variant, Interval]


Answer = TypeVar("Answer", Converted, Made, Measured)


def read_answer(form: type[Answer], finished: Finished) -> Answer:
    """The answer in this form. Raises Permanent for one that is not of it."""
    try:
        return form.model_validate(finished.result)
    except ValidationError as error:
        where = "; ".join(f"/{'/'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:3])
        raise Permanent(f"{form.__name__}: the worker answered what cannot be read: {where[:500]}") from error
