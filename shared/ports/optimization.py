"""Where models are optimised."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from shared.ports.artifacts import Artifact
from shared.resources.optimization import OptimizationResult
from shared.resources.optimization_job import OptimizationSpec


@dataclass(frozen=True, slots=True)
class OptimizationRequest:
    """What is to be optimised."""

    optimization_id: str  # names it, for looking again
    spec: OptimizationSpec
    read_file: Callable[[str], AsyncIterator[bytes]]  # the content of a file, by its SHA-256
    keep_file: Callable[[AsyncIterator[bytes]], Awaitable[Artifact]]  # keeps a verified variant
    timeout_s: float  # how long all of it may take


@dataclass(frozen=True, slots=True)
class OptimizationProgress:
    """How far an optimisation is. One of `result`, `reason` is there when it has ended."""

    run_id: str
    log: str = ""  # its progress so far
    result: OptimizationResult | None = None  # the files of its verified variants are kept
    reason: str = ""  # why it failed


class ModelOptimizer(Protocol):
    """Converts models to ONNX, verifies and measures: by limited processes of this machine."""

    async def advance(self, request: OptimizationRequest, run_id: str) -> OptimizationProgress:
        """Begin it, or look at the one under way or done; one that died is begun again. Raises NotSupported where
        nothing can be optimised."""
        ...

    async def cancel(self, optimization_id: str) -> None:
        """End it; nothing happens when it has ended."""
        ...
