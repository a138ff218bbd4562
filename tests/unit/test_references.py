"""Azure ML's reference grammar and bindings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.resources.bindings import bindings
from shared.resources.references import (
    ArmReference,
    AssetReference,
    DatastorePath,
    GitReference,
    LocalPath,
    UrlReference,
    parse_name,
    parse_reference,
)

_ARM = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ML/workspaces/w/models/diabetes/versions/3"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("azureml:diabetes:3", AssetReference("diabetes", "3")),
        ("azureml:diabetes@latest", AssetReference("diabetes", label="latest")),
        ("azureml:cpu-cluster", AssetReference("cpu-cluster")),
        (
            "azureml://registries/azureml/models/bert/versions/5",
            AssetReference("bert", "5", None, "azureml", "models"),
        ),
        (
            "azureml://registries/azureml/environments/e/labels/latest",
            AssetReference("e", None, "latest", "azureml", "environments"),
        ),
        ("azureml://datastores/blob/paths/a/b.csv", DatastorePath("blob", "a/b.csv")),
        ("azureml:" + _ARM, ArmReference(_ARM, "models", "diabetes", "3")),
        ("git+https://github.com/a/b@main#src", GitReference("git+https://github.com/a/b@main#src")),
        ("wasbs://c@a.blob.core.windows.net/x", UrlReference("wasbs://c@a.blob.core.windows.net/x", "wasbs")),
        ("./src", LocalPath("./src")),
    ],
)
def test_a_reference_is_parsed_and_printed_back(text: str, expected: object) -> None:
    found = parse_reference(text)
    assert found == expected
    assert str(found) == text


def test_an_arm_id_is_one_without_its_prefix_too() -> None:
    assert parse_reference(_ARM) == ArmReference(_ARM, "models", "diabetes", "3")


@pytest.mark.parametrize(
    "text",
    ["", " ", "azureml:", "azureml:a b:1", "azureml:a:1@b", "azureml:/x", "azureml://registries/r", "azureml://x"],
)
def test_what_begins_like_a_reference_and_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is"):
        parse_reference(text)


@pytest.mark.parametrize(("text", "short"), [("a:1", "a:1"), ("a@b", "a@b"), ("a", "a"), ("azureml:a:1", "a:1")])
def test_names_on_a_command_line(text: str, short: str) -> None:
    assert parse_name(text).short == short


@given(st.text(max_size=60))
def test_any_text_is_a_reference_or_a_value_error(text: str) -> None:
    try:
        found = parse_reference(text)
    except ValueError:
        return
    assert isinstance(str(found), str)


def test_bindings_are_found_in_order() -> None:
    text = "python x.py ${{inputs.data}} $[[--rate ${{inputs.rate}}]] ${{parent.jobs.a.outputs.m}} ${{name}}"
    assert bindings(text) == [
        ("inputs", "data"),
        ("inputs", "rate"),
        ("parent", "jobs", "a", "outputs", "m"),
        ("name",),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("${{inputs.x", "not closed"),
        ("${{}}", "not a binding"),
        ("${{input.x}}", "unknown 'input'"),
        ("${{inputs}}", "does not name one value"),
        ("${{parent.inputs}}", "does not name one value"),
        ("${{creation_context.user}}", "does not name one value"),
        ("$[[--x ${{inputs.x}}", "not closed"),
        ("$[[ $[[a]] ]]", "inside another one"),
    ],
)
def test_a_bad_binding_is_told(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        bindings(text)
