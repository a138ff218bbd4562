"""`slipway validate`: what it prints in each format, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from shared.cli.errors import ExitCode
from shared.cli.main import slipway

GOOD = "name: e\nimage: python:3.11\n"
BAD = "$schema: x/environment.schema.json\nname: e\nimage: i\nimages: j, 100%\n"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str, code: ExitCode = ExitCode.OK) -> Result:
    result = CliRunner().invoke(slipway, ["validate", *arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def test_faults_are_lines_that_editors_open_and_the_exit_code_is_4() -> None:
    Path("env").mkdir()
    Path("env/good.yml").write_text(GOOD)
    Path("env/bad.yml").write_text(BAD)
    Path("env/workflow.yaml").write_text("on: push\n")
    lines = run("env", code=ExitCode.REFUSED).output.splitlines()
    assert lines[0].startswith(
        "env/bad.yml:4:1: /images: 'images' is not a key of this kind of file: is 'image' meant?"
    )
    assert lines[-1] == "1 valid, 1 refused, 1 other YAML files passed over"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("data.yml", "name: d\npath: a.csv\n"),
        ("d.yml", "name: d\ntype: uri_file\npath: https://a/b\n"),
        ("j.yml", "$schema: https://azuremlschemas.azureedge.net/latest/comandJob.schema.json\n"),
        ("store.yml", "type: azure_blob\naccount_name: a\ncontainer_name: c\n"),
    ],
)
def test_what_may_be_declared_is_not_passed_over(name: str, text: str) -> None:
    Path("all").mkdir()
    Path("all", name).write_text(text)
    result = CliRunner().invoke(slipway, ["validate", "all"], catch_exceptions=False)
    assert "passed over" not in result.output


def test_a_file_that_is_named_must_be_a_declared_file() -> None:
    Path("a.yml").write_text("on: push\n")
    assert "cannot be told" in run("a.yml", code=ExitCode.REFUSED).output


def test_a_fault_of_a_file_that_several_name_is_told_once() -> None:
    Path("bad.yml").write_text("name: c\ncommand: a\n")
    for name in ("a.yml", "b.yml"):
        Path(name).write_text("type: pipeline\njobs:\n  s: {component: bad.yml}\n")
    lines = run("a.yml", "b.yml", code=ExitCode.REFUSED).output.splitlines()
    assert [line.partition(":")[0] for line in lines[:-1]] == ["bad.yml"]


def test_values_that_a_file_leaves_out() -> None:
    Path("d.yml").write_text("type: managed\ninstance_type: s\n")
    assert "1 valid" in run("d.yml", "--set", "name=blue", "--set", "endpoint_name=ep1").output
    run("d.yml", "--set", "name", code=ExitCode.USAGE)


def test_json() -> None:
    Path("good.yml").write_text(GOOD)
    Path("bad.yml").write_text(BAD)
    found = json.loads(run("good.yml", "bad.yml", "--format", "json", code=ExitCode.REFUSED).output)
    assert found["valid"] == [{"file": "good.yml", "form": "environment", "kind": "environment", "name": "e"}]
    (fault,) = found["refused"]
    assert (fault["file"], fault["line"], fault["column"], fault["pointer"]) == ("bad.yml", 4, 1, "/images")


def test_github_workflow_commands() -> None:
    name = "a,b.yml"
    Path(name).write_text(BAD.replace("images: j", "os_type: '50%'\nimages: j"))
    lines = run(name, "--format", "github", code=ExitCode.REFUSED).output.splitlines()
    assert any(line.startswith("::error file=a%2Cb.yml,line=4,col=1::/os_type: '50%25'") for line in lines)


def test_sarif_has_what_its_readers_need() -> None:
    Path("bad.yml").write_text(BAD)
    Path("auto.yml").write_text("type: pipeline\njobs:\n  a: {type: automl}\n")
    log = json.loads(run("bad.yml", "auto.yml", "--format", "sarif", code=ExitCode.REFUSED).output)
    assert log["version"] == "2.1.0"
    (found,) = log["runs"]
    assert found["tool"]["driver"]["name"] == "slipway"
    known = {rule["id"] for rule in found["tool"]["driver"]["rules"]}
    assert {result["ruleId"] for result in found["results"]} == known
    assert [result["level"] for result in found["results"]] == ["error", "warning"]
    place = found["results"][0]["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "bad.yml"}, "region": {"startLine": 4, "startColumn": 1}}
    assert "images" in found["results"][0]["message"]["text"]


def test_nothing_wrong_prints_an_empty_report() -> None:
    Path("good.yml").write_text(GOOD)
    assert run("good.yml", "--format", "github").output.strip() == ""
    assert json.loads(run("good.yml", "--format", "sarif").output)["runs"][0]["results"] == []


@pytest.mark.parametrize("text", [b"\xff\xfe", b"name: \x1b[31m\n"])
def test_bytes_that_are_no_text_are_refused(text: bytes) -> None:
    Path("a.yml").write_bytes(text)
    assert "\x1b" not in run("a.yml", code=ExitCode.REFUSED).output
