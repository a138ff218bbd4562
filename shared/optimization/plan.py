"""What is to be optimised, and how: everything that an optimisation needs to know."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from shared.errors import Fault, Invalid
from shared.optimization.environment import BuiltEnvironment
from shared.optimization.kinds import Recognised
from shared.optimization.sandbox import Limits
from shared.resources.optimization import REDUCED_PRECISION, SourceDescription, Tolerances, Variant

SAMPLES = (".csv", ".json", ".npy", ".npz")
ROW_COUNTS = (1, 100, 10_000)
OPSETS = range(9, 29)  # 9: the first that every converter here can write


@dataclass(frozen=True, slots=True)
class Plan:
    """One optimisation. Variant.ONNX is made even if it is not asked for: the others are made of it."""

    model: Recognised
    sample: Path  # rows to verify and measure on: .csv with a header, .json, .npy, .npz
    environment: BuiltEnvironment
    out: Path  # a folder: the verified variants' files are put there
    calibration: Path | None = None  # rows for static int8; None: the sample's
    variants: tuple[Variant, ...] = tuple(Variant)
    tolerances: Tolerances = field(default_factory=Tolerances)
    reduced_tolerances: Tolerances = field(default_factory=REDUCED_PRECISION.model_copy)
    opset: int | None = None  # None: the newest that the converter knows
    row_counts: tuple[int, ...] = ROW_COUNTS
    threads: int = 1  # of the original and of each variant
    measure_s: float = 4.0  # for each number of rows, when a round is not longer
    timeout_s: float = 1800.0  # of all together

    def check(self) -> None:
        """Raises Invalid with a fault for each thing that is wrong."""
        faults = []
        for name, path in (("/sample", self.sample), ("/calibration", self.calibration)):
            if path is not None and (path.suffix.lower() not in SAMPLES or not path.is_file()):
                faults.append(Fault(f"{path.name} is no file of rows", name, allowed=", ".join(SAMPLES)))
        if self.opset is not None and self.opset not in OPSETS:
            faults.append(Fault(f"{self.opset} is no opset", "/opset", allowed=f"{OPSETS[0]} to {OPSETS[-1]}"))
        if not self.row_counts or min(self.row_counts) < 1:
            faults.append(Fault("there must be numbers of rows to measure", "/row_counts", allowed="1 or more"))
        for name, number in (("threads", self.threads), ("measure_s", self.measure_s), ("timeout_s", self.timeout_s)):
            if number <= 0:
                faults.append(Fault(f"{number} is too small", f"/{name}", allowed="more than 0"))
        if faults:
            raise Invalid("the optimisation cannot begin", faults=tuple(faults))

    def limits(self, left_s: float) -> Limits:
        """What a worker may take, with so many seconds left of the whole."""
        cpu_s = int(left_s * (self.threads + 1)) + 1
        return Limits(timeout_s=left_s, memory_bytes=self.model.kind.memory_bytes, cpu_s=cpu_s, threads=self.threads)


def describe_source(model: Recognised) -> SourceDescription:
    """Size and hash of the model; of a folder, of all files in it, in the order of their paths."""
    if model.path.is_file():
        size_bytes, sha256 = model.path.stat().st_size, file_sha256(model.path)
    else:
        files = sorted(path for path in model.path.rglob("*") if path.is_file())
        lines = [f"{path.relative_to(model.path).as_posix()}\0{file_sha256(path)}\n" for path in files]
        size_bytes = sum(path.stat().st_size for path in files)
        sha256 = hashlib.sha256("".join(lines).encode()).hexdigest()
    return SourceDescription(kind=model.kind.name, path=model.path.name, size_bytes=size_bytes, sha256=sha256)


def file_sha256(path: Path) -> str:
    """Of the file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
