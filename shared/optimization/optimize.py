"""Optimises a model: converts it, makes variants, verifies and measures them, and chooses the best."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from shared.errors import Permanent
from shared.optimization.decision import choose
from shared.optimization.plan import Plan, describe_source, file_sha256
from shared.optimization.sandbox import Finished, Say, run_worker
from shared.resources.environment import DEFAULT_PYTHON
from shared.resources.optimization import (
    EXACT,
    Interval,
    Latency,
    OptimizationResult,
    Proof,
    Variant,
    VariantResult,
)


async def optimize(plan: Plan, say: Say = lambda line: None) -> OptimizationResult:
    """What became of the plan; the files of the verified variants are in `plan.out` then. Every process has ended when
    this returns, raises or is cancelled, and nothing is left of its scratch folder. Raises Invalid for a plan that is
    wrong, Permanent with the reason when the model cannot be opened or converted, or the time is over."""
    plan.check()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="slipway-optimization-", ignore_cleanup_errors=True) as folder:
        run = _Run(plan, Path(folder).resolve(), began + plan.timeout_s, say)
        converted = await run.worker("convert", module=plan.model.kind.module, opset=plan.opset)
        made = await run.variants(converted.result)
        results = await run.measured(_results(made, plan))
        choice = choose(results)
        proof = _proof(plan, converted, made, choice.best)
        await asyncio.to_thread(_keep, Path(folder), plan.out, results)
    return OptimizationResult(
        source=await asyncio.to_thread(describe_source, plan.model),
        variants=results,
        best=choice.best.variant if choice.best else None,
        reason=choice.reason,
        proof=proof,
        duration_s=round(time.monotonic() - began, 3),
    )


class _Run:
    """The workers of one optimisation, in one scratch folder."""

    def __init__(self, plan: Plan, scratch: Path, until: float, say: Say) -> None:
        self._plan = plan
        self._scratch = scratch
        self._until = until
        self._say = say

    async def worker(self, name: str, **more: Any) -> Finished:
        """Run one within the time that is left."""
        left_s = self._until - time.monotonic()
        if left_s <= 0:
            raise Permanent(f"the optimisation took longer than {self._plan.timeout_s:g} s", remedy="give it more time")
        request = {
            "model": str(self._plan.model.path.resolve()),
            "sample": str(self._plan.sample.resolve()),
            "threads": self._plan.threads,
            **more,
        }
        environment, limits = self._plan.environment.folder, self._plan.limits(left_s)
        return await run_worker(environment, name, request, self._scratch, limits, self._say)

    async def variants(self, converted: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make and verify them. The model itself is not opened again: nothing of it can answer for its variants."""
        finished = await self.worker(
            "variants",
            outputs=converted["outputs"],
            calibration=str((self._plan.calibration or self._plan.sample).resolve()),
            variants=[one for one in Variant if one in {Variant.ONNX, *self._plan.variants}],
            exact=sorted(EXACT),
            tolerances=self._plan.tolerances.model_dump(),
            reduced_tolerances=self._plan.reduced_tolerances.model_dump(),
        )
        return finished.result

    async def measured(self, results: list[VariantResult]) -> list[VariantResult]:
        """The verified ones with their latencies; nothing is measured of the others."""
        verified = [one.variant for one in results if one.verified]
        if not verified:
            return results
        finished = await self.worker(
            "measure",
            module=self._plan.model.kind.module,
            variants=verified,
            row_counts=self._plan.row_counts,
            budget_s=self._plan.measure_s,
        )
        return [_with_latencies(one, finished.result) if one.verified else one for one in results]


def _results(made: Mapping[str, Any], plan: Plan) -> list[VariantResult]:
    """The table as the worker gives it. Raises Permanent for one that is none."""
    try:
        found = [VariantResult.model_validate(one) for one in made["variants"]]
    except (ValidationError, KeyError, TypeError) as error:
        raise Permanent(f"variants: it answered what is no table: {str(error)[:500]}") from error
    for one in found:
        one.tolerances = plan.tolerances if one.variant in EXACT else plan.reduced_tolerances
    return found


def _with_latencies(one: VariantResult, measured: Mapping[str, Any]) -> VariantResult:
    try:
        latencies = [Latency.model_validate(each) for each in measured["latencies"][one.variant]]
        gain = Interval.model_validate(measured["gains"][one.variant])
    except (ValidationError, KeyError, TypeError) as error:
        raise Permanent(f"measure: it answered what are no latencies: {str(error)[:500]}") from error
    return one.model_copy(update={"latencies": latencies, "gain": gain})


def _proof(plan: Plan, converted: Finished, made: Mapping[str, Any], best: VariantResult | None) -> Proof:
    outputs = best.outputs if best else []
    return Proof(
        tolerances=plan.tolerances,
        reduced_tolerances=plan.reduced_tolerances,
        rows_compared=max((output.rows for output in outputs), default=0),
        calibration_rows=made["calibration_rows"] if Variant.INT8_STATIC in plan.variants else 0,
        max_abs=_largest(output.max_abs for output in outputs),
        max_rel=_largest(output.max_rel for output in outputs),
        opsets=converted.result["opsets"],
        packages=converted.result["packages"],
        environment=plan.environment.identity,
        python_version=DEFAULT_PYTHON,
        threads=plan.threads,
        protections=list(converted.protections),
    )


def _largest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _keep(scratch: Path, out: Path, results: list[VariantResult]) -> None:
    """Put the verified files where they are wanted, and their hashes into the table."""
    out.mkdir(parents=True, exist_ok=True)
    for one in results:
        if not one.verified:
            one.path = ""
            continue
        one.path = f"{one.variant}.onnx"
        target = out / one.path
        shutil.copyfile(scratch / one.path, target, follow_symlinks=False)
        one.sha256, one.size_bytes = file_sha256(target), target.stat().st_size
