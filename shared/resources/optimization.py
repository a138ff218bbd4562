"""What became of optimising a model: its variants, which is the best, and the proof."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from shared.resources.base import Document


class Variant(StrEnum):
    """How an ONNX file was made of the model."""

    ONNX = "onnx"  # converted, nothing else
    GRAPH = "graph"  # scalers folded into linear layers, ONNX Runtime's offline optimisations (extended level)
    FLOAT16 = "float16"  # weights and arithmetic in half precision, inputs and outputs as they were
    INT8_DYNAMIC = "int8-dynamic"  # weights as int8, activations quantised at run time
    INT8_STATIC = "int8-static"  # weights and activations as int8, ranges from calibration rows


EXACT = frozenset({Variant.ONNX, Variant.GRAPH})  # the arithmetic is float32's; the others lose precision on purpose


class Tolerances(Document):
    """When an output is the same: |got - expected| <= max_abs + max_rel * |expected| for each value (numpy.isclose)."""

    max_abs: float = Field(default=1e-4, ge=0, description="in the output's own unit")
    max_rel: float = Field(default=1e-3, ge=0, description="of the expected value")
    min_label_agreement: float = Field(default=1.0, ge=0, le=1, description="share of rows with the same label")


REDUCED_PRECISION = Tolerances(max_abs=0.02, max_rel=0.02, min_label_agreement=0.99)


class DifferingRow(Document):
    """A row of the sample for which an output is not what the original gives."""

    row: int = Field(description="its place in the sample, from 0")
    output: str
    expected: str = Field(description="what the original gives, cut to 200 letters")
    got: str = Field(description="what the variant gives, cut to 200 letters")


class OutputComparison(Document):
    """One output of a variant beside the original's, over every row of the sample."""

    name: str
    rows: int = Field(description="how many were compared")
    differing_rows: int = Field(description="how many have a value, or the label, that is not the same")
    max_abs: float | None = Field(default=None, description="largest absolute difference; null for labels")
    max_rel: float | None = Field(
        default=None, description="largest relative to |expected|, where that is above max_abs"
    )
    label_agreement: float | None = Field(default=None, description="share of rows with the same label; null else")


class Interval(Document):
    """A ratio, and the interval that holds it with 95 % confidence (percentile bootstrap, Efron 1979)."""

    value: float = Field(gt=0)
    low: float = Field(gt=0)
    high: float = Field(gt=0)


class Latency(Document):
    """One call with so many rows."""

    rows: int = Field(gt=0)
    original_ms: float = Field(ge=0, description="median")
    variant_ms: float = Field(ge=0, description="median")
    gain: Interval = Field(description="original_ms / variant_ms")
    rounds: int = Field(description="how many times both were measured, in turns")


class VariantResult(Document):
    """One line of the table."""

    variant: Variant
    path: str = Field(default="", description="the file below the result's folder; empty when there is none")
    size_bytes: int = 0
    sha256: str = Field(default="", description="of the file")
    verified: bool = False
    reason: str = Field(default="", description="why it is not verified, in a sentence")
    tolerances: Tolerances = Field(default_factory=Tolerances)
    outputs: list[OutputComparison] = Field(default_factory=list)
    differing: list[DifferingRow] = Field(default_factory=list, description="the first ten")
    latencies: list[Latency] = Field(default_factory=list, description="for 1, 100 and 10,000 rows; [] if not verified")
    gain: Interval | None = Field(default=None, description="geometric mean over the numbers of rows; null likewise")


class SourceDescription(Document):
    """What was optimised."""

    kind: str
    path: str = Field(description="as it was given, without the folders above")
    size_bytes: int
    sha256: str = Field(description="of the file; for a folder, of its files' paths and hashes")


class Proof(Document):
    """How it is known that the best variant is the same model, and faster."""

    tolerances: Tolerances = Field(description="for conversion and graph optimisation")
    reduced_tolerances: Tolerances = Field(description="for float16 and int8")
    rows_compared: int
    calibration_rows: int = Field(description="from which static int8 has its ranges; 0 when it was not made")
    max_abs: float | None = Field(default=None, description="the best variant's largest; null without one, or labels")
    max_rel: float | None = Field(default=None, description="the best variant's largest; null likewise")
    opsets: dict[str, int] = Field(default_factory=dict, description="operator set -> its version; ai.onnx by name")
    packages: dict[str, str] = Field(default_factory=dict, description="what converted and ran it, with versions")
    environment: str = Field(default="", description="identity of the locked environment")
    python_version: str = ""
    threads: int = Field(default=1, description="that the original and each variant may compute with")
    protections: list[str] = Field(default_factory=list, description="in force while the model was loaded")


class OptimizationResult(Document):
    """What an optimisation came to."""

    source: SourceDescription
    variants: list[VariantResult] = Field(default_factory=list)
    best: Variant | None = Field(default=None, description="null when none is verified and reliably faster")
    reason: str = Field(description="why this one, or why none")
    proof: Proof
    duration_s: float
