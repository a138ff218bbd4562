"""What pages say of tables in the code is what the code says."""

from __future__ import annotations

import json
import re
import tomllib

from shared.adapters.azure.cosmos_documents import CONTAINER
from shared.api.operations import OPERATIONS
from shared.cli.errors import ExitCode
from shared.events.filters import OPERATORS
from shared.events.types import PUBLISHED
from shared.local_host.event_delivery_policy import NOT_RETRIED
from shared.resources.model import ModelDeclaration
from shared.resources.upload import TRANSITIONS
from shared.settings import Settings
from tests.docs.markdown import ROOT, read_page


def rows(name: str) -> list[list[str]]:
    """The cells of all rows of all tables of a page."""
    lines = [line for line in (ROOT / name).read_text().splitlines() if line.startswith("| ")]
    return [[cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip("|"))] for line in lines]


def test_every_operation_is_documented_with_its_answers() -> None:
    documented = {row[0]: (row[1], row[3], row[4]) for row in rows("docs/rest-api.md") if len(row) == 5}
    expected = {
        f"`{op.id}`": (
            f"`{op.method} /api/{op.path}`",
            ", ".join(map(str, op.answers)),
            ", ".join(map(str, sorted(op.errors))),
        )
        for op in OPERATIONS.values()
    }
    assert {name: cells for name, cells in documented.items() if name.startswith("`")} == expected


def test_every_error_status_is_explained() -> None:
    explained = {row[0] for row in rows("docs/rest-api.md") if row[0].isdigit()}
    assert {str(status) for op in OPERATIONS.values() for status in op.errors} <= explained


def test_every_setting_has_its_default() -> None:
    documented = {row[0]: row[1] for row in reversed(rows("docs/settings.md")) if len(row) == 3}
    for name, field in Settings.model_fields.items():
        default = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
        assert documented[f"`SLIPWAY_{name.upper()}`"] == (f"`{default}`" if default else "empty"), name


def test_every_event_is_documented() -> None:
    documented = {row[0]: row[2] for row in rows("docs/events.md") if len(row) == 3}
    assert {name: documented.get(f"`{name}`") for name in PUBLISHED} == PUBLISHED


def test_every_filter_operator_and_unretried_status_is_documented() -> None:
    text = (ROOT / "docs" / "events.md").read_text()
    assert [name for name in OPERATORS if f"`{name}`" not in text] == []
    *most, last = map(str, sorted(NOT_RETRIED))
    assert f"**{', '.join(most)} and {last}** are not retried" in text


def test_phases_and_their_transitions_are_documented() -> None:
    documented = {row[0]: row[2] for row in reversed(rows("docs/concepts.md")) if len(row) == 3}
    for phase, next_phases in TRANSITIONS.items():
        assert documented[f"`{phase}`"] == ", ".join(f"`{each}`" for each in sorted(next_phases)), phase


def test_every_field_of_a_manifest_is_documented() -> None:
    text = "".join(row[0] for row in rows("docs/azure-ml-compatibility.md"))
    names = [field.alias or name for name, field in ModelDeclaration.model_fields.items()]
    assert [name for name in names if f"`{name}`" not in text] == []


def test_the_cosmos_container_is_the_codes_own() -> None:
    (block,) = [block for block in read_page(ROOT / "docs" / "azure.md").blocks if block.language == "json"]
    assert json.loads(block.text) == CONTAINER


def test_every_dependency_is_justified() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    names = {re.split(r"[\[<>=~! ]", each)[0] for each in declared} - {"slipway"}
    text = "".join(row[0] for row in rows("docs/dependencies.md"))
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []


def test_every_exit_code_is_documented() -> None:
    documented = {row[0] for row in rows("README.md") if row[0].isdigit()}
    assert documented == {str(int(code)) for code in ExitCode}


def test_make_demo_runs_what_the_readmes_test_runs() -> None:
    assert re.search(r"^demo:.*\n\t\$\(BIN\)/python examples/demo\.py", (ROOT / "Makefile").read_text(), re.MULTILINE)
