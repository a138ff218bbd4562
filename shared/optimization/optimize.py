"""Optimises a model: converts it, makes variants, verifies and measures them, and chooses the best."""

from __future__ import annotations

import asyncio
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from shared.errors import Permanent
from shared.optimization.answers import Converted, Made, Measured, read_answer
from shared.optimization.decision import choose
from shared.optimization.plan import Plan, describe_source, file_sha256
from shared.optimization.sandbox import Finished, Say, run_worker
from shared.resources.environment import DEFAULT_PYTHON
from shared.resources.optimization import EXACT, OptimizationResult, Proof, Variant, VariantResult


async def optimize(plan: Plan, say: Say = lambda line: None) -> OptimizationResult:
    """What became of the plan; the files of the verified variants are in `plan.out` then. Every process has ended when
    this returns, raises or is cancelled, and nothing is left of its scratch folder. Raises Invalid for a plan that is
    wrong, Permanent with the reason when the model cannot be opened or converted, or the time is over."""
    plan.check()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="slipway-optimization-", ignore_cleanup_errors=True) as name:
        scratch = Path(name).resolve()
        run = _Run(plan, scratch, began + plan.timeout_s, say)
        finished = await run.worker("convert", module=plan.model.kind.module, opset=plan.opset)
        converted = read_answer(Converted, finished)
        made = await run.variants(converted.outputs)
        results = await run.measured(made.variants)
        choice = choose(results)
        await asyncio.to_thread(_keep, scratch, plan.out, results)
    return OptimizationResult(
        source=await asyncio.to_thread(describe_source, plan.model),
        variants=results,
        best=choice.best.variant if choice.best else None,
        reason=choice.reason,
        proof=_proof(plan, converted, made, choice.best, finished.protections),
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

    async def variants(self, outputs: list[str]) -> Made:
        """Make and verify them. The model itself is not opened again: nothing of it can answer for its variants."""
        finished = await self.worker(
            "variants",
            outputs=outputs,
            calibration=str((self._plan.calibration or self._plan.sample).resolve()),
            variants=[one for one in Variant if one in {Variant.ONNX, *self._plan.variants}],
            exact=sorted(EXACT),
            tolerances=self._plan.tolerances.model_dump(),
            reduced_tolerances=self._plan.reduced_tolerances.model_dump(),
        )
        made = read_answer(Made, finished)
        for one in made.variants:
            one.tolerances = self._plan.tolerances if one.variant in EXACT else self._plan.reduced_tolerances
        return made

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
        found = read_answer(Measured, finished)
        if not set(verified) <= found.latencies.keys() & found.gains.keys():
            raise Permanent("measure: the worker did not measure every variant")
        more = {one: {"latencies": found.latencies[one], "gain": found.gains[one]} for one in verified}
        return [one.model_copy(update=more.get(one.variant, {})) for one in results]


def _proof(
    plan: Plan, converted: Converted, made: Made, best: VariantResult | None, protections: Iterable[str]
) -> Proof:
    outputs = [output for one in made.variants if one.verified for output in one.outputs]
    of_best = best.outputs if best else []
    return Proof(
        tolerances=plan.tolerances,
        reduced_tolerances=plan.reduced_tolerances,
        rows_compared=max((output.rows for output in outputs), default=0),
        calibration_rows=made.calibration_rows if Variant.INT8_STATIC in plan.variants else 0,
        max_abs=_largest(output.max_abs for output in of_best),
        max_rel=_largest(output.max_rel for output in of_best),
        opsets=converted.opsets,
        packages=converted.packages,
        environment=plan.environment.identity,
        python_version=DEFAULT_PYTHON,
        threads=plan.threads,
        protections=list(protections),
    )


def _largest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _keep(scratch: Path, out: Path, results: list[VariantResult]) -> None:
    """Put the verified files where they are wanted, and their hashes into the table."""
    out.mkdir(parents=True, exist_ok=True)
    for one in results:
        one.path = f"{one.variant}.onnx" if one.verified else ""
        if not one.verified:
            continue
        if not stat.S_ISREG((scratch / one.path).lstat().st_mode):  # a link would give away any file of this machine
            raise Permanent(f"{one.path} is no plain file")
        target = out / one.path
        shutil.copyfile(scratch / one.path, target, follow_symlinks=False)
        one.sha256, one.size_bytes = file_sha256(target), target.stat().st_size
