"""The lineage as tree, Mermaid and SVG: nothing is lost, nothing overlaps, nothing that was named is executed."""

from __future__ import annotations

import itertools
import json
import random
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from shared.cli.lineage_layout import layered
from shared.cli.lineage_mermaid import mermaid
from shared.cli.lineage_svg import CHARACTER, SMALL, svg
from shared.cli.lineage_tree import tree

HOSTILE = '"]\n<script>alert(1)</script> &amp; #quot; `x` %%{init}%% --> ]]> \x1b[31m'
MERMAID = ("mermaid@11.17.2", "jsdom@29.1.1")
SVG = "{http://www.w3.org/2000/svg}"
CHECK = """
import { JSDOM } from "jsdom";
import fs from "node:fs";
globalThis.window = new JSDOM("").window;
globalThis.document = window.document;
const mermaid = (await import("mermaid")).default;
mermaid.initialize({ startOnLoad: false });
const diagram = await mermaid.mermaidAPI.getDiagramFromText(fs.readFileSync(0, "utf8"));
console.log(JSON.stringify({
  type: diagram.type,
  nodes: [...diagram.db.getVertices().keys()],
  edges: diagram.db.getEdges().map((edge) => [edge.start, edge.text, edge.end]),
}));
"""


def node(id_: str, state: str = "registered", **facts: str) -> dict[str, Any]:
    kind, _, label = id_.partition("/")
    return {"id": id_, "kind": kind, "label": label, "state": state, "facts": facts}


def graph(*edges: tuple[str, str, str], **states: str) -> dict[str, Any]:
    """A document with these edges; the first source is the root."""
    ids = list(dict.fromkeys(id_ for source, _, target in edges for id_ in (source, target)))
    return {
        "root": ids[0],
        "depth": 10,
        "truncated": False,
        "nodes": [node(id_, states.get(id_.partition("/")[2], "registered"), type="custom_model") for id_ in ids],
        "edges": [{"source": s, "relation": r, "target": t} for s, r, t in edges],
    }


DIAMOND = graph(
    ("model/m", "trained on", "data/d"),
    ("model/m", "produced by", "run/r"),
    ("run/r", "read", "data/d"),
    ("model/m", "derived from", "model/old"),
    ("model/new", "derived from", "model/m"),
    old="deleted",
)
CYCLE = graph(
    ("model/a", "derived from", "model/b"), ("model/b", "derived from", "model/c"), ("model/c", "x", "model/a")
)
EVIL = graph((f"model/{HOSTILE}", HOSTILE, "data/數據集 " * 20), ("model/self", "refers to", "model/self"))


def large(count: int, seed: int = 7) -> dict[str, Any]:
    """A graph in which each thing came from up to three that are older."""
    random_ = random.Random(seed)
    edges = [
        (f"model/m{i}", "derived from", f"model/m{random_.randrange(i)}")
        for i in range(1, count)
        for _ in range(i % 3 + 1)
    ]
    return graph(*dict.fromkeys(edges))


GRAPHS = {"diamond": DIAMOND, "cycle": CYCLE, "evil": EVIL, "large": large(120)}
every_graph = pytest.mark.parametrize("found", GRAPHS.values(), ids=GRAPHS)


def test_the_tree_says_all_once() -> None:
    assert tree(DIAMOND) == (
        "model m (custom_model)\n"
        "├── came from\n"
        "│   ├── trained on data d (custom_model)\n"
        "│   ├── produced by run r (custom_model)\n"
        "│   │   └── read data d (custom_model)\n"
        "│   └── derived from model old (custom_model, deleted)\n"
        "└── led to\n"
        "    └── model new (custom_model) derived from it\n"
    )
    assert tree(CYCLE).count("(see above)") == 2
    assert "\x1b" not in tree(EVIL)


def texts(picture: ET.Element) -> list[tuple[float, float, float, float]]:
    """Left, top, right, bottom of every text, as wide as its font can be."""
    from rich.cells import cell_len

    found = []
    for each in picture.iter(f"{SVG}text"):
        small = each.get("class") == "small"
        width = cell_len(each.text or "") * (SMALL if small else CHARACTER)
        x, y = float(each.get("x", 0)), float(each.get("y", 0))
        left = x - width if each.get("text-anchor") == "end" else x
        found.append((left, y - (8 if small else 10), left + width, y + 2))
    return found


def boxes(picture: ET.Element) -> list[tuple[float, float, float, float]]:
    found = []
    for each in picture.iter(f"{SVG}rect"):
        if each.get("class") == "box":
            x, y, width, height = (float(each.get(name, 0)) for name in ("x", "y", "width", "height"))
            found.append((x, y, x + width, y + height))
    return found


def overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@every_graph
def test_nothing_overlaps_in_the_picture_and_texts_are_inside(found: dict[str, Any]) -> None:
    picture = ET.fromstring(svg(found))
    around, written = boxes(picture), texts(picture)
    assert len(around) == len(found["nodes"])
    assert [pair for pair in itertools.combinations(around, 2) if overlap(*pair)] == []
    assert [pair for pair in itertools.combinations(written, 2) if overlap(*pair)] == []
    for text in written:
        touched = [box for box in around if overlap(box, text)]
        assert all(b[0] <= text[0] and text[2] <= b[2] and b[1] <= text[1] and text[3] <= b[3] for b in touched), text
    width, height = float(picture.get("width", 0)), float(picture.get("height", 0))
    assert all(
        left >= 0 and top >= 0 and right <= width and bottom <= height
        for left, top, right, bottom in (*around, *written)
    )


@every_graph
def test_the_picture_is_the_same_each_time_and_needs_nothing_else(found: dict[str, Any]) -> None:
    picture = svg(found)
    assert svg(json.loads(json.dumps(found))) == picture
    tags = {each.tag.removeprefix(SVG) for each in ET.fromstring(picture).iter()}
    assert tags <= {"svg", "title", "style", "rect", "g", "path", "text"}
    outside = re.findall(r"https?://[^\"\s]+", picture)
    assert outside == ["http://www.w3.org/2000/svg"]
    assert "prefers-color-scheme: dark" in picture
    assert re.search(r"url\(|@import|href|\son\w+=", picture) is None


def test_a_thing_is_right_of_what_it_came_from() -> None:
    edges = [(e["source"], e["target"]) for e in large(120)["edges"]]
    heights = {id_: 50.0 for edge in edges for id_ in edge}
    layout = layered(heights, edges, gap=10, passing=10)
    layer = {slot.id: number for number, each in enumerate(layout.layers) for slot in each if slot.id}
    assert layer.keys() == heights.keys()
    assert [(a, b) for a, b in edges if layer[a] <= layer[b]] == []
    assert all(len(path.slots) == layer[edges[path.edge][0]] - layer[edges[path.edge][1]] + 1 for path in layout.paths)


def test_crossings_that_need_not_be_are_not() -> None:
    edges = [("b1", "a1"), ("b2", "a2"), ("b3", "a3"), ("c", "b3"), ("c", "b2"), ("c", "b1")]
    shuffled = {id_: 50.0 for id_ in ("c", "b1", "b3", "b2", "a2", "a1", "a3")}
    layout = layered(shuffled, edges, gap=10, passing=10)
    order = [[slot.id[1:] for slot in layer] for layer in layout.layers]
    assert order[0] == order[1]
    assert [slot.y for slot in layout.layers[0]] == [slot.y for slot in layout.layers[1]]
    assert layout.layers[2][0].middle == pytest.approx(layout.layers[1][1].middle)


def test_no_graph_is_a_picture_too() -> None:
    alone = {"root": "model/m", "depth": 1, "truncated": False, "nodes": [node("model/m")], "edges": []}
    assert len(boxes(ET.fromstring(svg(alone)))) == 1
    assert tree(alone) == "model m\n"
    assert '["model<br/>m"]' in mermaid(alone)


@every_graph
def test_mermaid_text_holds_what_was_named_only_as_text(found: dict[str, Any]) -> None:
    for line in mermaid(found).splitlines()[1:]:
        assert re.fullmatch(
            r'    (n\d+\["[^"`<>\\]*(<br/>[^"`<>\\]*)+"\]|n\d+ -->\|"[^"`<>\\]*"\| n\d+|class(Def)? [\w,]+ [\w:,. -]+)',
            line,
        ), line


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Mermaid itself, from npm."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("Node.js is not installed: nothing was checked with Mermaid's parser")
    folder = tmp_path_factory.mktemp("mermaid")
    (folder / "check.mjs").write_text(CHECK)
    command = ["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts", *MERMAID]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "check.mjs"


@pytest.mark.slow
@every_graph
def test_mermaids_own_parser_finds_the_same_graph(found: dict[str, Any], checker: Path) -> None:
    text = mermaid(found)
    done = subprocess.run(
        ["node", str(checker)], input=text, capture_output=True, text=True, timeout=60, check=False, cwd=checker.parent
    )
    assert done.returncode == 0, f"{done.stderr}\n{text}"
    parsed = json.loads(done.stdout)
    names = [f"n{index}" for index in range(len(found["nodes"]))]
    by_id = {each["id"]: name for each, name in zip(found["nodes"], names, strict=True)}
    assert parsed["type"].startswith("flowchart")
    assert parsed["nodes"] == names
    assert [(a, b) for a, _, b in parsed["edges"]] == [(by_id[e["source"]], by_id[e["target"]]) for e in found["edges"]]


def test_drawing_needs_no_server_side_code() -> None:
    """The command stays light: the picture of a graph is drawn without pydantic."""
    code = "import sys, shared.cli.lineage_svg, shared.cli.lineage_tree; print('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"
