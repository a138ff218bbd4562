"""Who gets a request: smooth weighted choice, sticky choice, and which requests are copied."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Protocol, TypeVar


class Weighted(Protocol):
    """Something with a name and a weight."""

    @property
    def name(self) -> str:
        """Unique among those one is chosen from."""
        ...

    @property
    def weight(self) -> int:
        """Above 0, in any unit."""
        ...


T = TypeVar("T", bound=Weighted)


class SmoothChoice:
    """Smooth weighted round robin (nginx, ngx_http_upstream_round_robin.c): of any 100 choices in a row each gets its
    percentage, spread evenly."""

    def __init__(self) -> None:
        self._current: dict[str, int] = {}

    def choose(self, among: Sequence[T]) -> T:
        """One of them, of which there is at least one."""
        if len(among) == 1:
            return among[0]
        current, total = self._current, 0
        best, most = among[0], -math.inf
        for one in among:
            total += one.weight
            value = current.get(one.name, 0) + one.weight
            current[one.name] = value
            if value > most:
                best, most = one, value
        current[best.name] -= total
        return best

    def forget(self) -> None:
        """Begin anew, as is due when weights changed."""
        self._current.clear()


def sticky_choice(among: Sequence[T], key: bytes) -> T:
    """The same one for the same key, each for a share of the keys as its weight says.

    Weighted rendezvous hashing (Thaler & Ravishankar 1998; weights as -w / ln u by Schindelhauer & Schomaker 2005):
    when weights change, only keys move that have to, from those that lose to those that gain.
    """

    def score(one: T) -> float:
        digest = hashlib.blake2b(key, digest_size=8, key=one.name.encode()[:64]).digest()
        unit = (int.from_bytes(digest) + 0.5) / 2**64
        return -one.weight / math.log(unit)

    return max(among, key=score)


class EvenShare:
    """Says yes to a percentage of all questions, evenly."""

    def __init__(self) -> None:
        self._owed = 0

    def hit(self, percent: int) -> bool:
        """Whether this one is among them."""
        self._owed += percent
        if self._owed < 100:
            return False
        self._owed -= 100
        return True
