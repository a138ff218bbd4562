"""A small layered layout for directed graphs, from left to right (Sugiyama, Tagawa, Toda 1981): layers, fewer crossings
by barycenters, heights by what is connected. The same graph always gives the same picture.

Own code, because no well-kept light library does it: see docs/dependencies.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import fmean

SWEEPS = 12


@dataclass(slots=True)
class Slot:
    """A place in a layer: a node, or the point where a long edge passes through the layer."""

    id: str  # the node's; "" for a passing edge
    layer: int  # 0 is on the left
    height: float
    y: float = 0.0  # its top
    left: list[Slot] = field(default_factory=list, repr=False)  # what it is connected to in the layer before
    right: list[Slot] = field(default_factory=list, repr=False)

    @property
    def middle(self) -> float:
        """Half way down."""
        return self.y + self.height / 2


@dataclass(slots=True)
class Path:
    """An edge with the slots it goes through, from right to left."""

    edge: int  # index in the edges given
    slots: list[Slot]
    reversed: bool  # in a cycle: its source is on the left


@dataclass(slots=True)
class Layout:
    """Where everything is."""

    layers: list[list[Slot]]  # from left to right; in each from top to bottom
    paths: list[Path]
    height: float


def layered(heights: Mapping[str, float], edges: Sequence[tuple[str, str]], *, gap: float, passing: float) -> Layout:
    """The layout of nodes (id -> height) and edges (source, target): a source is to the right of its
    target, and is never its own. `gap` is
    between two slots of a layer, `passing` the height of a passing edge."""
    backward = _backward(heights, edges)
    directed = [(b, a) if index in backward else (a, b) for index, (a, b) in enumerate(edges)]
    layer_of = _layers(heights, directed)
    layers: list[list[Slot]] = [[] for _ in range(max(layer_of.values(), default=-1) + 1)]
    slots = {id_: Slot(id_, layer_of[id_], height) for id_, height in heights.items()}
    for slot in slots.values():
        layers[slot.layer].append(slot)
    paths = []
    for index, (source, target) in enumerate(directed):
        through = [Slot("", n, passing) for n in range(layer_of[source] - 1, layer_of[target], -1)]
        for slot in through:
            layers[slot.layer].append(slot)
        chain = [slots[source], *through, slots[target]]
        for right, left in pairwise(chain):
            right.left.append(left)
            left.right.append(right)
        paths.append(Path(index, chain, index in backward))
    _order(layers)
    _place(layers, gap)
    return Layout(layers, paths, max((s.y + s.height for layer in layers for s in layer), default=0.0))


def _backward(nodes: Mapping[str, float], edges: Sequence[tuple[str, str]]) -> set[int]:
    """The edges that close a cycle, found depth first; without them there is none."""
    leaving = defaultdict(list)
    for index, (source, target) in enumerate(edges):
        leaving[source].append((index, target))
    closing: set[int] = set()
    done: set[str] = set()
    for start in nodes:
        open_: dict[str, list[tuple[int, str]]] = {} if start in done else {start: list(leaving[start])}
        while open_:
            here = next(reversed(open_))
            if not open_[here]:
                done.add(here)
                del open_[here]
                continue
            index, target = open_[here].pop(0)
            if target in open_:
                closing.add(index)
            elif target not in done:
                open_[target] = list(leaving[target])
    return closing


def _layers(nodes: Mapping[str, float], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Each node one to the right of the rightmost of its targets; then what has sources as near to them as may be."""
    layer = dict.fromkeys(nodes, 0)
    for _ in range(len(nodes)):
        moved = [(a, layer[b] + 1) for a, b in edges if a != b and layer[a] <= layer[b]]
        if not moved:
            break
        for id_, to in moved:
            layer[id_] = max(layer[id_], to)
    nearest: dict[str, list[str]] = defaultdict(list)
    for source, target in edges:
        if source != target:
            nearest[target].append(source)
    for id_ in sorted(nodes, key=lambda each: -layer[each]):
        if nearest[id_]:
            layer[id_] = min(layer[source] for source in nearest[id_]) - 1
    return layer


def _order(layers: list[list[Slot]]) -> None:
    """Order each layer by the mean place of the neighbours, to the left and to the right in turns."""
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        for layer in layers[1:] if forward else layers[-2::-1]:
            before = {id(slot): float(i) for i, slot in enumerate(layer)}
            place = {id(slot): float(i) for each in layers for i, slot in enumerate(each)}
            for slot in layer:
                neighbours = slot.left if forward else slot.right
                if neighbours:
                    before[id(slot)] = fmean(place[id(each)] for each in neighbours)
            layer.sort(key=lambda slot: before[id(slot)])


def _place(layers: list[list[Slot]], gap: float) -> None:
    """Give each slot its height: near the middle of its neighbours, never nearer to the next one than the gap."""
    for layer in layers:
        top = 0.0
        for slot in layer:
            slot.y = top
            top += slot.height + gap
    for sweep in range(SWEEPS):
        for layer in layers if sweep % 2 else reversed(layers):
            _pull(layer, gap)
    highest = min((slot.y for layer in layers for slot in layer), default=0.0)
    for layer in layers:
        for slot in layer:
            slot.y -= highest


def _pull(layer: list[Slot], gap: float) -> None:
    """Put the slots where they want to be, and those that would overlap together around the mean of what they want."""
    blocks: list[tuple[list[Slot], float, float]] = []  # slots, top, height
    for slot in layer:
        around = [each.middle for each in (*slot.left, *slot.right)]
        block = ([slot], (fmean(around) if around else slot.middle) - slot.height / 2, slot.height)
        while blocks and blocks[-1][1] + blocks[-1][2] + gap > block[1]:
            block = _joined(blocks.pop(), block, gap)
        blocks.append(block)
    for slots, top, _ in blocks:
        for slot in slots:
            slot.y = top
            top += slot.height + gap


def _joined(
    above: tuple[list[Slot], float, float], below: tuple[list[Slot], float, float], gap: float
) -> tuple[list[Slot], float, float]:
    """Two blocks as one, each pulling with as many slots as it has."""
    wanted = below[1] - above[2] - gap  # the top if only the lower one counted
    count = len(above[0]), len(below[0])
    top = (above[1] * count[0] + wanted * count[1]) / sum(count)
    return [*above[0], *below[0]], top, above[2] + gap + below[2]
