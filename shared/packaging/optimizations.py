"""Asking for a model to be optimised."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from shared.commit import Committer, TransactionalStore
from shared.optimization.kinds import kind_named
from shared.packaging.samples import sample_of
from shared.packaging.work import Work
from shared.ports import ArtifactStore
from shared.registry.models import Registry
from shared.resources.base import Cause, Resource
from shared.resources.build import StoredText
from shared.resources.model import ModelSpec
from shared.resources.optimization import Tolerances, Variant
from shared.resources.optimization_job import KIND, OPTIMIZATION_TERMINAL, OptimizationSpec, OptimizationStatus

SUFFIX = "-onnx"  # of the model that the best variant becomes a version of, unless another name is asked for


class Optimizations:
    """The optimisations of models."""

    def __init__(
        self, store: TransactionalStore, committer: Committer, registry: Registry, artifacts: ArtifactStore
    ) -> None:
        self._work = Work(KIND, "optimisation", "slipway optimization list", OPTIMIZATION_TERMINAL, store, committer)
        self._registry = registry
        self._artifacts = artifacts

    async def get(self, optimization_id: str) -> Resource:
        """One optimisation. Raises NotFound."""
        return await self._work.get(optimization_id)

    async def ask(
        self,
        model: tuple[str, str],
        sample: tuple[str | StoredText | None, str],
        cause: Cause,
        *,
        source_kind: str = "",
        framework_version: str = "",
        tolerances: Tolerances | None = None,
        variants: Sequence[Variant] = tuple(Variant),
        register_as: str = "",
        optimization_id: str = "",
    ) -> Resource:
        """A new optimisation of a version; with an id the one that has it, when there is one. `sample` is what was sent
        (None: the model's own) and its file's name. Raises NotFound, and Invalid for an unknown kind or without any
        sample."""
        if source_kind:
            kind_named(source_kind)
        version = await self._registry.get(*model)
        stored, name = await sample_of(version, *sample, self._artifacts)
        spec = OptimizationSpec(
            model_name=version.name,
            model_version=str(version.version),
            files=ModelSpec.model_validate(version.spec).files,
            source_kind=source_kind,
            framework_version=framework_version,
            sample=stored,
            sample_name=name,
            tolerances=tolerances or Tolerances(),
            variants=list(variants),
            register_as=register_as or version.name + SUFFIX,
            references=[str(version.key)],
        )
        return await self._work.begin(optimization_id or f"o-{secrets.token_hex(8)}", spec, OptimizationStatus(), cause)

    async def cancel(self, optimization: Resource, cause: Cause) -> Resource:
        """Have an optimisation end. Raises Invalid for one that has ended."""
        return await self._work.cancel(optimization, cause)
