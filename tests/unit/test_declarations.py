"""Files that people write: what they mean, and how their faults are told."""

from __future__ import annotations

import functools
import json
from contextlib import suppress

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.declarations import json_schemas
from shared.declarations.manifest import read_manifest
from shared.declarations.source import load_source
from shared.declarations.validate import load_declaration
from shared.errors import Invalid
from shared.resources.model import ModelDeclaration, ModelType
from shared.resources.upload import UploadSpec


def faults_of(text: str) -> list[tuple[str, int | None, int | None]]:
    with pytest.raises(Invalid) as caught:
        load_declaration(text, "model.yml", ModelDeclaration)
    assert all(fault.file == "model.yml" for fault in caught.value.faults)
    return [(fault.pointer, fault.line, fault.column) for fault in caught.value.faults]


def test_a_model_file_in_azure_mls_format() -> None:
    text = """\
$schema: https://azuremlschemas.azureedge.net/latest/model.schema.json
name: azureml-infschema
version: 1
path: models
type: MlflowModel
tags: {stage: 1.5, ready: true, on: 2024-01-31}
"""
    found = load_declaration(text, "model.yml", ModelDeclaration)
    assert (found.name, found.version, found.path, found.type) == ("azureml-infschema", 1, "models", ModelType.MLFLOW)
    assert found.tags == {"stage": "1.5", "ready": "True", "on": "2024-01-31"}


def test_every_fault_is_told_at_once_with_its_place() -> None:
    text = "name: 'bad name'\nfoo: 1\ntags:\n  x: [1]\ntype: zip\n"
    assert sorted(faults_of(text)) == [
        ("/foo", 2, 1),
        ("/name", 1, 1),
        ("/path", 1, 1),
        ("/tags/x", 4, 3),
        ("/type", 5, 1),
    ]


@pytest.mark.parametrize(
    ("text", "pointer", "line"),
    [
        ("a: [", "", 2),
        ("name: d\nname: e\n", "/name", 2),
        ("name: !!python/object:os.system {}\n", "/name", 1),
        ("name: &a [*a]\n", "", 1),
        ("- 1\n", "", 1),
        ("", "", 1),
        ("name: d\npath: m\nproperties: {a: .inf}\n", "/properties/a", 3),
        ('name: d\npath: m\ndescription: "\\ud800"\n', "", 3),
        ("name: d\n---\nname: e\n", "", 2),
        ("{" * 200, "", 1),
        ("[" * 500_000, "", 1),
        ("- " * 300_000, "", 1),
        ("# aliases that grow to a billion\na: &a [1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
         "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
         "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n", "", 2),
    ],
)  # fmt: skip
def test_hostile_or_broken_yaml_is_refused_at_its_place(text: str, pointer: str, line: int) -> None:
    found = faults_of(text)
    assert found[0][:2] == (pointer, line)


@pytest.mark.parametrize(
    "text",
    [
        "? " + "k" * 100_000 + "\n: [" + "1," * 50_000 + "]\n",
        "a: &x " + "x" * 400_000 + "\nb: [" + "*x," * 5_000 + "]\n",
    ],
)
def test_a_small_file_cannot_take_much_memory(text: str) -> None:
    with pytest.raises(Invalid, match=r"more than \d+ characters"):
        load_source(text, "model.yml")


@given(st.text(max_size=300))
def test_no_text_brings_anything_but_a_declaration_or_invalid(text: str) -> None:
    with suppress(Invalid):
        load_declaration(text, "model.yml", ModelDeclaration)


PLAIN = st.text(st.characters(exclude_categories=["Cs", "Cc"]))


@given(st.dictionaries(PLAIN, st.one_of(PLAIN, st.integers(), st.none(), st.lists(st.integers()))))
def test_json_is_read_as_what_it_is(value: dict[str, object]) -> None:
    assert load_source(json.dumps(value, ensure_ascii=False), "x.json").value == value


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "ftp://host/x", "azureml:m:1", "a\\b", ".git"])
def test_a_path_out_of_the_folder_is_a_fault_at_its_line(path: str) -> None:
    manifest = f"name: d\npath: {path}\n"
    spec = UploadSpec(
        container="uploads",
        directory="d",
        manifest_file="model.yml",
        manifest=manifest,
        deadline="2026-01-01T00:00:00Z",
    )
    found = read_manifest(spec)
    assert found.declaration is None
    assert [(fault.pointer, fault.line) for fault in found.faults] == [("/path", 2)]


def test_overrides_win_over_the_file_and_paths_become_normal() -> None:
    spec = UploadSpec(
        container="staging",
        directory="u",
        manifest_file="model.yml",
        manifest="name: d\npath: ./a//b/\n",
        overrides={"name": "e", "tags": {"k": "v"}},
        deadline="2026-01-01T00:00:00Z",
    )
    found = read_manifest(spec).declaration
    assert found is not None
    assert (found.name, found.path, found.tags) == ("e", "a/b", {"k": "v"})


CASES = [
    {"name": "d", "path": "m"},
    {"name": "d", "path": "m", "tags": {"a": 1, "b": True, "c": "x"}, "version": "3", "flavors": {"onnx": {}}},
    {"name": "bad name", "path": "m"},
    {"name": "d"},
    {"name": "d", "path": "m", "typo": 1},
    {"name": "d", "path": ""},
    {"name": "d", "path": "m", "tags": {"a": []}},
    {"name": "d", "path": "m", "type": "zip"},
    {"name": "d", "path": "m", "version": 1.5},
]


generated = functools.cache(json_schemas.generate)


@pytest.mark.parametrize("document", CASES)
def test_the_json_schema_and_the_loader_agree(document: dict[str, object]) -> None:
    schema = generated()["model.schema.json"]
    jsonschema.Draft202012Validator.check_schema(schema)
    by_schema = jsonschema.Draft202012Validator(schema).is_valid(document)
    try:
        load_declaration(json.dumps(document), "model.yml", ModelDeclaration)
        by_loader = True
    except Invalid:
        by_loader = False
    assert by_loader == by_schema


def test_committed_schemas_are_current() -> None:
    assert json_schemas.main(["--check"]) == 0
