"""The workflows that users run: valid by the services' schemas, with as few rights as they need, true to the code."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.bicep_files import BICEP, ROOT, read_bicep

GITHUB = ROOT / ".github"
FILES = {
    "vendor.github-workflows": sorted((GITHUB / "workflows").glob("*.yml")),
    "vendor.github-actions": sorted((GITHUB / "actions").glob("*/action.yml")),
    "vendor.azure-pipelines": [ROOT / "azure-pipelines.yml"],
}
EACH = [(schema, path) for schema, paths in FILES.items() for path in paths]
STEP = GITHUB / "actions" / "slipway" / "run.sh"
# The schema of pipelines escapes what ECMAScript does not allow to.
PIPELINES = ("--regex-variant", "python")
DECLARED = (
    "$schema: https://azuremlschemas.azureedge.net/latest/model.schema.json\nname: churn\nversion: 1\npath: m.onnx\n"
)


@pytest.mark.parametrize(("schema", "path"), EACH, ids=lambda value: getattr(value, "name", value))
def test_files_are_valid_by_the_services_schemas(schema: str, path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        schema,
        *(PIPELINES if "azure" in schema else ()),
        str(path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", FILES["vendor.github-workflows"], ids=lambda path: path.name)
def test_workflows_have_few_rights_and_end(path: Path) -> None:
    workflow: dict[str, Any] = yaml.safe_load(path.read_text())
    assert set(workflow["permissions"].items()) <= {("contents", "read"), ("id-token", "write")}
    assert all(job["timeout-minutes"] for job in workflow["jobs"].values())
    assert "secrets." not in path.read_text(), "it signs in by OpenID Connect"


@pytest.mark.parametrize("path", [path for paths in FILES.values() for path in paths], ids=lambda path: path.name)
def test_scripts_hold_no_expression_that_somebody_else_writes(path: Path) -> None:
    """`${{ }}` in a script is pasted into it before a shell reads it."""
    document = yaml.safe_load(path.read_text())
    assert [text for text in _scripts(document) if "${{" in text] == []


@pytest.mark.parametrize(
    "path", [GITHUB / "workflows" / "deploy.yml", ROOT / "azure-pipelines.yml"], ids=lambda p: p.name
)
def test_what_if_gives_parameters_that_there_are(path: Path) -> None:
    parameters = read_bicep(BICEP / "main.bicep").of("parameter")
    (said,) = [text for text in _scripts(yaml.safe_load(path.read_text())) if "what-if" in text]
    given = set(re.findall(r"(\w+)=", said))
    assert {name for name, each in parameters.items() if each.value is None} <= given <= set(parameters)


def test_azd_finds_what_its_file_names() -> None:
    said = yaml.safe_load((ROOT / "azure.yaml").read_text())
    assert (ROOT / said["infra"]["path"] / f"{said['infra']['module']}.bicep").is_file()
    (service,) = said["services"]
    app = (BICEP / "modules" / "function-app.bicep").read_text()
    assert f"'azd-service-name': '{service}'" in app
    assert "SLIPWAY_FUNCTIONS_PUBLISHED" in (BICEP / "main.parameters.json").read_text()
    assert "SLIPWAY_FUNCTIONS_PUBLISHED" in said["hooks"]["postdeploy"]["posix"]["run"]


@pytest.mark.parametrize("path", [path for paths in FILES.values() for path in paths], ids=lambda path: path.name)
def test_nothing_that_is_downloaded_goes_into_a_shell_unseen(path: Path) -> None:
    scripts = _scripts(yaml.safe_load(path.read_text()))
    assert [text for text in scripts if re.search(r"\|\s*(ba)?sh\b|<\(\s*(curl|wget)", text)] == []


def test_azd_is_installed_only_with_the_bytes_that_were_published(tmp_path: Path) -> None:
    (tmp_path / "azd-linux-amd64").write_text("#!/bin/sh\necho azd 9.9.9\n")
    release = tmp_path / "azure-dev-cli_9.9.9" / "azd-linux-amd64.tar.gz"
    release.parent.mkdir()
    with tarfile.open(release, "w:gz") as archive:
        archive.add(tmp_path / "azd-linux-amd64", "azd-linux-amd64")
    digest = hashlib.sha256(release.read_bytes()).hexdigest()
    environ = {"PATH": os.environ["PATH"], "AZD_SOURCE": tmp_path.as_uri(), "AZD_VERSION": "9.9.9"}

    def install(**more: str) -> subprocess.CompletedProcess[str]:
        command = ["bash", str(ROOT / "infra" / "install-azd.sh"), str(tmp_path / "bin")]
        return subprocess.run(command, env=environ | more, capture_output=True, text=True, timeout=60, check=False)

    refused = install()
    assert refused.returncode != 0, "its hash is another release's"
    assert "FAILED" in refused.stdout + refused.stderr
    assert not (tmp_path / "bin").exists()
    done = install(AZD_SHA256=digest)
    assert done.returncode == 0, done.stderr
    said = subprocess.run([tmp_path / "bin" / "azd"], capture_output=True, text=True, timeout=60, check=True).stdout
    assert said == "azd 9.9.9\n"


def run_step(folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    empty = {"SLIPWAY_URL": "", "SLIPWAY_KEY": "", "SLIPWAY_SCOPE": ""}  # as an action's inputs that were left out
    return subprocess.run(
        ["bash", str(STEP)],
        cwd=folder,
        env={"PATH": path, "HOME": str(folder), **empty, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_step_of_model_repositories_validates(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"model")
    (tmp_path / "model.yml").write_text(DECLARED)
    good = run_step(tmp_path, COMMAND="validate", FILES="model.yml")
    assert good.returncode == 0, good.stdout + good.stderr
    (tmp_path / "model.yml").write_text(DECLARED.replace("name:", "nmae:"))
    bad = run_step(tmp_path, COMMAND="validate", FILES="model.yml")
    assert bad.returncode == 4
    assert "::error" in bad.stdout


def test_the_step_refuses_other_commands(tmp_path: Path) -> None:
    refused = run_step(tmp_path, COMMAND="validate; env", FILES="model.yml")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "allowed: validate, apply" in refused.stderr


def _scripts(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [
            text for key, text in value.items() if key in ("run", "script", "inlineScript") and isinstance(text, str)
        ]
        return own + [text for each in value.values() for text in _scripts(each)]
    return [text for each in value for text in _scripts(each)] if isinstance(value, list) else []
