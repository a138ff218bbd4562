"""How much features of a data asset matter for its target, kept with the version: it is learnt once."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from shared.resources.document import Document

METHOD = "additive-1"  # changes with how importance is calculated; what another method found is not used
MAX_KEPT = 10  # of one version, the newest


class LearntImportance(Document):
    """What was learnt from a version of a data asset."""

    data: str = Field(description="NAME:VERSION that it was learnt from")
    target: str = Field(description="the column that is explained")
    method: str = Field(default=METHOD, description="how it was calculated")
    seed: int = Field(description="of the sample of rows that was learnt from")
    weights: dict[str, float] = Field(description="by feature, in standard deviations of the target")

    def fits(self, features: Sequence[str], target: str, seed: int) -> bool:
        """Whether it is what learning from the same data would come to."""
        return (self.method, self.seed, self.target) == (METHOD, seed, target) and list(self.weights) == list(features)


def with_learnt(kept: Sequence[LearntImportance], new: LearntImportance) -> list[LearntImportance]:
    """Those that are kept, the newest last, and no two for the same question."""
    others = [one for one in kept if not one.fits(list(new.weights), new.target, new.seed)]
    return [*others, new][-MAX_KEPT:]
