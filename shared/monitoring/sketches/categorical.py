"""How often each category occurs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MAX_CATEGORIES = 50_000  # a column with more of them holds names or ids


@dataclass(slots=True)
class CategoricalSketch:
    """Exact counts; sketches merge exactly, too, while there are no more than MAX_CATEGORIES."""

    counts: dict[str, int] = field(default_factory=dict)  # by category
    untracked: int = 0  # values of categories beyond the first MAX_CATEGORIES

    @property
    def count(self) -> int:
        """Values."""
        return sum(self.counts.values()) + self.untracked

    def add(self, counts: Mapping[str, int]) -> None:
        """Count more values."""
        mine = self.counts
        for name, number in counts.items():
            if name in mine:
                mine[name] += number
            elif len(mine) < MAX_CATEGORIES:
                mine[name] = number
            else:
                self.untracked += number

    def merge(self, other: CategoricalSketch) -> None:
        """Add what another one counted."""
        self.add(other.counts)
        self.untracked += other.untracked


def union(first: CategoricalSketch, second: CategoricalSketch) -> list[str]:
    """The categories of both, the most frequent first, equally frequent ones by name."""
    together = {name: first.counts.get(name, 0) for name in {**first.counts, **second.counts}}
    for name, number in second.counts.items():
        together[name] += number
    return sorted(together, key=lambda name: (-together[name], name))
