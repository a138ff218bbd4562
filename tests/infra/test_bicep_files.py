"""The Bicep files are whole: they parse, name only what there is, and say what everything is for.

There is no Bicep compiler among the packages of this project, so what it would find first is looked for here.
"""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pycep
import pytest
from tree_sitter import Node

from tests.infra.bicep_files import BICEP, FILES, MODULES, ROOT, Code, read_bicep, text_of, walk

TYPECHECK = ROOT.parent / "shared" / "tools" / "bicep_typecheck.py"
FUNCTIONS = {
    *("cidrSubnet", "concat", "empty", "environment", "filter", "guid", "last", "length", "loadJsonContent"),
    *("loadTextContent", "map", "replace", "resourceGroup", "resourceId", "split", "string", "subscription"),
    *("subscriptionResourceId", "tenant", "toObject", "union", "uniqueString", "utcNow"),
}
SIZES: dict[str, Any] = json.loads((BICEP / "sizes.json").read_text())
MOST_LINES = 170
LONG = {"main.bicep", "roles.bicep"}  # all of the wiring, and all of the roles, in one place


def ids(path: Path) -> str:
    return path.name


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_two_parsers_read_it(path: Path) -> None:
    assert read_bicep(path).declarations
    pycep.BicepParser().parse(text=path.read_text())  # checkov reads by it, and passes over what it can't


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_every_name_is_declared_and_every_declaration_used(path: Path) -> None:
    file = read_bicep(path)
    declared = {each.name for each in file.declarations if each.kind != "output"}
    used = _names_used(file.root)
    local = _loop_variables(file.root) | _lambdas(file.root)
    assert used - declared - local == set()
    needed = {each.name for each in file.declarations if each.kind in ("parameter", "variable")}
    assert needed - used == set()
    called = {text_of(n) for n in walk(file.root) if n.type == "identifier" and _is_called(n, file.root)}
    decorating = {"description", "allowed", "minLength", "maxLength", "minValue", "maxValue", "batchSize"}
    assert called - FUNCTIONS - decorating == set()


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_every_parameter_and_output_is_described_and_no_secret(path: Path) -> None:
    file = read_bicep(path)
    for each in (*file.of("parameter").values(), *file.of("output").values()):
        assert len(str(each.decorators.get("description", ""))) > 10, each.name
    assert not re.search(r"\blist\w*Keys\(|\blistSecrets\(|@secure|connectionStrings?\b(?!_)", path.read_text())
    assert len(path.read_text().splitlines()) <= MOST_LINES or path.name in LONG


def test_main_gives_every_module_exactly_its_parameters() -> None:
    main = read_bicep(BICEP / "main.bicep")
    assert list(main.of("resource")) == ["group"], "main.bicep only wires"
    for module in main.of("module").values():
        parameters = read_bicep(BICEP / module.type).of("parameter")
        needed = {name for name, each in parameters.items() if each.value is None}
        given = set(module.value["params"])
        assert needed <= given <= set(parameters), module.name
        for name, value in module.value["params"].items():
            allowed = parameters[name].decorators.get("allowed")
            assert isinstance(value, Code) or allowed is None or value in allowed, f"{module.name}.{name}"
    assert {module.type for module in main.of("module").values()} == {
        f"modules/{p.name}" for p in MODULES.glob("*.bicep")
    }


def test_every_output_that_is_read_exists_and_every_output_is_read() -> None:
    main = read_bicep(BICEP / "main.bicep")
    read = set(re.findall(r"(\w+)\.outputs\.(\w+)", (BICEP / "main.bicep").read_text()))
    modules = main.of("module")
    made = {(name, output) for name, each in modules.items() for output in read_bicep(BICEP / each.type).of("output")}
    assert read - made == set()
    assert made - read == {("hub", "id")}  # for the people who use the hub: the control plane does not yet


def test_a_module_that_is_read_without_a_condition_has_none() -> None:
    """Reading the outputs of a module that was not deployed fails the whole deployment."""
    main = read_bicep(BICEP / "main.bicep")
    conditional = {name for name, each in main.of("module").items() if each.condition}
    for each in main.declarations:
        for name in set(re.findall(r"(\w+)\.outputs\.\w+", text_of(each.node))) & conditional:
            guarded = all(_is_guarded(node) for node in walk(each.node) if _reads(node, name))
            assert guarded or each.condition == main.of("module")[name].condition, f"{each.name} reads {name}"


def test_the_sizes_have_the_same_shape_and_functions_that_exist() -> None:
    assert set(SIZES) == set(read_bicep(BICEP / "main.bicep").of("parameter")["size"].decorators["allowed"])
    shapes = {name: sorted(_paths(size)) for name, size in SIZES.items()}
    assert shapes["dev"] == shapes["team"] == shapes["enterprise"]
    text = (BICEP / "main.bicep").read_text()
    read = {match for match in re.findall(r"\bchosen\.([\w.]+)", text)}
    leaves = {path for path in shapes["dev"] if not any(other.startswith(f"{path}.") for other in shapes["dev"])}
    assert read == leaves
    for size in SIZES.values():
        assert 40 <= size["functions"]["maximumInstanceCount"] <= 1000
        assert size["functions"]["instanceMemoryMb"] in (512, 2048, 4096)
        assert 1 <= size["functions"]["queueBatchSize"] <= 32  # host.json, extensions.queues.batchSize


@pytest.mark.parametrize(
    "path", [*sorted((BICEP / "parameters").glob("*.json")), BICEP / "main.parameters.json"], ids=ids
)
def test_parameter_files_name_parameters_of_main(path: Path) -> None:
    parameters = read_bicep(BICEP / "main.bicep").of("parameter")
    given = json.loads(path.read_text())["parameters"]
    assert {name for name, each in parameters.items() if each.value is None} <= set(given) <= set(parameters)
    for name, entry in given.items():
        value, allowed = entry["value"], parameters[name].decorators.get("allowed")
        assert allowed is None or value in allowed or str(value).startswith("${"), name


def test_properties_have_the_types_that_microsoft_publishes() -> None:
    if not TYPECHECK.exists():
        pytest.skip(f"the published types are not here ({TYPECHECK.parent.name} beside the repository)")
    spec = importlib.util.spec_from_file_location("bicep_typecheck", TYPECHECK)
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert [fault for path in FILES for fault in tool.File(path).check()] == []


def _names_used(root: Node) -> set[str]:
    used = set()
    for node in walk(root):
        if node.type != "identifier" or node.parent is None or _is_called(node, root):
            continue
        parent, first = node.parent, node.parent.named_children[0] == node
        if not first or not (parent.type == "object_property" or parent.type.endswith("_declaration")):
            used.add(text_of(node))
    return used


def _is_called(node: Node, root: Node) -> bool:
    assert root.text is not None
    return root.text[node.end_byte - root.start_byte :][:1] == b"("


def _loop_variables(root: Node) -> set[str]:
    named = {text_of(n) for n in walk(root) if n.type in ("loop_variable", "loop_enumerator")}
    return named | {text_of(n.named_children[0]) for n in walk(root) if n.type == "for_statement"}


def _lambdas(root: Node) -> set[str]:
    return {text_of(n.named_children[0]).strip("()") for n in walk(root) if n.type == "lambda_expression"}


def _reads(node: Node, name: str) -> bool:
    is_key = node.parent is not None and node.parent.type == "object_property" and node.parent.named_children[0] == node
    return node.type == "identifier" and text_of(node) == name and not is_key


def _is_guarded(node: Node) -> bool:
    parent = node.parent
    while parent is not None:
        if parent.type == "ternary_expression":
            return True
        parent = parent.parent
    return False


def _paths(value: Any, path: str = "") -> list[str]:
    if not isinstance(value, dict):
        return [path]
    return [path] * bool(path) + [each for key in value for each in _paths(value[key], f"{path}.{key}".strip("."))]
