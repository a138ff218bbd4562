"""The lineage as a picture: an SVG file by itself, light or dark as the reader's system is.

Time runs from left to right; an arrow points to what its source came from. Every edge has its own port on both of its
nodes and its text beside the port, so that texts never lie on each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from shared.cli.lineage_layout import Layout, Path, Slot, layered
from shared.cli.output import one_line

CHARACTER = 7.3  # the widest that a cell of a 12 px monospace font is (0.602 em of Menlo, DejaVu Sans Mono), in px
SMALL = 6.1  # of a 10 px font
PORT = 16.0  # px between two edges at a node
PADDING, GAP, MARGIN, CURVE = 12.0, 18.0, 20.0, 44.0
LINES = (15.0, 31.0, 46.0)  # baselines in a box
BOX_HEIGHT = 56.0
MAX_CELLS = 40
SHOWN_FACTS = ("experiment", "status", "type", "framework", "stage", "branch", "purpose", "system")
_KINDS = ("model", "data", "run", "commit", "environment", "label")
_STYLE = """
svg { --paper: #ffffff; --ink: #1f2328; --quiet: #59636e; --line: #818b98; --box: #f6f8fa;
  --model: #0969da; --data: #1a7f37; --run: #9a6700; --commit: #8250df; --environment: #bc4c00; --label: #bf3989;
  --other: #59636e; }
@media (prefers-color-scheme: dark) { svg { --paper: #0d1117; --ink: #f0f6fc; --quiet: #9198a1; --line: #656c76;
  --box: #151b23; --model: #4493f8; --data: #3fb950; --run: #d29922; --commit: #ab7df8; --environment: #db6d28;
  --label: #db61a2; --other: #9198a1; } }
text { font: 12px ui-monospace, "SFMono-Regular", Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: var(--ink); }
.paper { fill: var(--paper); }
.small { font-size: 10px; fill: var(--quiet); }
.box { fill: var(--box); stroke: var(--line); }
.root .box { stroke: var(--ink); stroke-width: 2.5; }
.deleted .box { stroke-dasharray: 5 3; }
.deleted .name { text-decoration: line-through; }
.edge { fill: none; stroke: var(--line); stroke-width: 1.2; }
.head { fill: var(--line); }
"""


@dataclass(frozen=True, slots=True)
class _Box:
    """A node's texts and its width."""

    node: dict[str, Any]
    kind: str
    name: str
    note: str

    @property
    def width(self) -> float:
        texts = (_cells(self.kind) * SMALL, _cells(self.name) * CHARACTER, _cells(self.note) * SMALL)
        return max(texts) + 2 * PADDING


def svg(found: dict[str, Any]) -> str:
    """The picture; no scripts, no links, nothing from elsewhere."""
    found = {**found, "edges": [edge for edge in found["edges"] if edge["source"] != edge["target"]]}
    boxes = {node["id"]: _box(node) for node in found["nodes"]}
    edges = [(edge["source"], edge["target"]) for edge in found["edges"]]
    heights = {id_: max(BOX_HEIGHT, _ports(id_, edges) * PORT + 8) for id_ in boxes}
    layout = layered(heights, edges, gap=GAP, passing=PORT)
    return _Drawing(found, boxes, layout).text()


def _ports(id_: str, edges: list[tuple[str, str]]) -> int:
    return max(sum(source == id_ for source, _ in edges), sum(target == id_ for _, target in edges))


def _box(node: dict[str, Any]) -> _Box:
    facts = [node["facts"][name] for name in SHOWN_FACTS if name in node["facts"]]
    note = " · ".join([*(["deleted"] if node["state"] == "deleted" else []), *facts])
    return _Box(node, _short(node["kind"]), _short(node["label"]), _short(note))


class _Drawing:
    """Puts the layout on paper."""

    def __init__(self, found: dict[str, Any], boxes: dict[str, _Box], layout: Layout) -> None:
        self.found = found
        self.boxes = boxes
        self.layout = layout
        self.left: list[float] = []  # of the boxes of each layer
        self.width: list[float] = []
        self.beside: list[float] = []  # room for texts on the left of each layer
        x = MARGIN
        for number, layer in enumerate(layout.layers):
            texts = [_text_width(self._relation(path)) for path in layout.paths if path.slots[0].layer == number]
            self.beside.append(max(texts, default=0.0))
            x += self.beside[-1] + (CURVE if number else 0.0)
            self.left.append(x)
            self.width.append(max((boxes[slot.id].width for slot in layer if slot.id), default=0.0))
            x += self.width[-1]
        self.size = x + MARGIN, layout.height + 2 * MARGIN

    def text(self) -> str:
        """The file."""
        width, height = self.size
        root = escape(one_line(self.found["root"]))
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}">',
            f"<title>Lineage of {root}</title>",
            f"<style>{_STYLE}</style>",
            '<rect class="paper" width="100%" height="100%"/>',
            *(self._edge(path) for path in self.layout.paths),
            *(self._node(slot) for layer in self.layout.layers for slot in layer if slot.id),
            "</svg>",
        ]
        return "\n".join(parts) + "\n"

    def _relation(self, path: Path) -> str:
        return one_line(self.found["edges"][path.edge]["relation"])

    def _node(self, slot: Slot) -> str:
        box = self.boxes[slot.id]
        x, y, width = self.left[slot.layer], slot.y + MARGIN, self.width[slot.layer]
        top = y + (slot.height - BOX_HEIGHT) / 2
        classes = ["node", *(["root"] if slot.id == self.found["root"] else [])]
        classes += ["deleted"] if box.node["state"] == "deleted" else []
        color = box.node["kind"] if box.node["kind"] in _KINDS else "other"
        lines = (("small", box.kind), ("name", box.name), ("small", box.note))
        texts = "".join(
            f'<text class="{name}" x="{x + PADDING:.1f}" y="{top + base:.1f}">{escape(text)}</text>'
            for (name, text), base in zip(lines, LINES, strict=True)
            if text
        )
        return (
            f'<g class="{" ".join(classes)}"><title>{escape(_told(box.node))}</title>'
            f'<rect class="box" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{slot.height:.1f}" rx="5"/>'
            f'<rect style="fill:var(--{color})" x="{x:.1f}" y="{y + 4:.1f}" width="4" height="{slot.height - 8:.1f}"/>'
            f"{texts}</g>"
        )

    def _edge(self, path: Path) -> str:
        """A line from the right to the left: beside its source with its text, then curves between the layers."""
        first, last = path.slots[0], path.slots[-1]
        x = self.left[first.layer]
        y = self._port(path, first, outgoing=True)
        turn = x - self.beside[first.layer]
        line = f"M{x:.1f} {y:.1f}H{turn:.1f}"
        for slot in path.slots[1:]:
            right = self.left[slot.layer] + self.width[slot.layer]
            to = self._port(path, slot, outgoing=False) if slot is last else slot.middle + MARGIN
            middle = (turn + right) / 2
            line += f"C{middle:.1f} {y:.1f} {middle:.1f} {to:.1f} {right:.1f} {to:.1f}"
            turn, y = self.left[slot.layer] - self.beside[slot.layer], to
            line += f"H{turn:.1f}" if slot is not last else ""
        end = (x, self._port(path, first, outgoing=True), -1) if path.reversed else (right, y, 1)
        beside, above = x - (12 if path.reversed else 6), self._port(path, first, outgoing=True) - 3
        text = f'<text class="small" x="{beside:.1f}" y="{above:.1f}"'
        return (
            f'<path class="edge" d="{line}"/>{_head(*end)}'
            f'{text} text-anchor="end">{escape(self._relation(path))}</text>'
        )

    def _port(self, path: Path, slot: Slot, *, outgoing: bool) -> float:
        """Where the edge meets its node: edges are ordered by where they come from, so that they do not cross there."""
        here = 0 if outgoing else -1
        others = [each for each in self.layout.paths if each.slots[here] is slot]
        others.sort(key=lambda each: (each.slots[1 if outgoing else -2].middle, each.edge))
        place = next(index for index, each in enumerate(others) if each.edge == path.edge)
        return slot.middle + MARGIN + (place - (len(others) - 1) / 2) * PORT


def _head(x: float, y: float, direction: int) -> str:
    """An arrowhead whose tip is at (x, y); 1 points to the left, -1 to the right."""
    back = x + 7 * direction
    return f'<path class="head" d="M{x:.1f} {y:.1f}L{back:.1f} {y - 3.5:.1f}V{y + 3.5:.1f}Z"/>'


def _text_width(text: str) -> float:
    return _cells(text) * SMALL + 14


def _told(node: dict[str, Any]) -> str:
    """What a tooltip says: all that is known."""
    lines = [node["id"], node["state"], *(f"{name}: {value}" for name, value in node["facts"].items())]
    return "\n".join(one_line(line) for line in lines)


def _cells(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)


def _short(text: str) -> str:
    from rich.cells import set_cell_size

    line = one_line(text)
    return line if _cells(line) <= MAX_CELLS else set_cell_size(line, MAX_CELLS - 1).rstrip() + "…"
