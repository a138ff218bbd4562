"""The image of Slipway's own jobs holds what a job runs."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from shared.adapters.jobs.works import MODULE
from shared.deployment_targets.kubernetes.workload import USER
from tests.infra.bicep_files import ROOT

DOCKERFILE = (ROOT / "infra" / "jobs" / "Dockerfile").read_text()


def test_the_image_has_the_module_and_its_packages_by_hash_and_is_nobodys_root() -> None:
    copied = re.findall(r"^COPY (\S+) ", DOCKERFILE, re.M)
    assert {f"!{name}" for name in copied} <= set((ROOT / ".dockerignore").read_text().splitlines())
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert MODULE.partition(".")[0] in copied
    assert (ROOT / MODULE.replace(".", "/") / "__main__.py").exists()
    assert "--require-hashes -r requirements-local.txt" in DOCKERFILE
    assert f'"-m", "{MODULE}"]' in DOCKERFILE
    assert f"USER {USER}:{USER}" in DOCKERFILE
    locked = {line.partition("==")[0] for line in (ROOT / "requirements-local.txt").read_text().splitlines()}
    assert {"azure-identity", "azure-storage-blob", "numpy", "pyarrow", "pydantic", "uv"} <= locked


def test_bicep_names_the_image_that_the_head_of_the_file_builds() -> None:
    built = re.search(r"-t (\S+):TAG", DOCKERFILE)
    assert built is not None
    assert f"/{built[1]}:${{jobImageTag}}" in (ROOT / "infra" / "bicep" / "main.bicep").read_text()


SCRIPT = ROOT / "infra" / "jobs" / "image.py"
PROGRAM = """#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
case "$*" in "acr repository show"*) exit "$SHOWN";; esac
"""


def called(folder: Path, step: str, *, shown: int = 1, **environ: str) -> list[str]:
    """What a step of the script has `az` and `azd` do."""
    for name in ("az", "azd"):
        (folder / name).write_text(PROGRAM)
        (folder / name).chmod(0o755)
    calls = folder / "calls"
    calls.write_text("")
    given = {"PATH": f"{folder}:{os.environ['PATH']}", "CALLS": str(calls), "SHOWN": str(shown), **environ}
    subprocess.run([sys.executable, str(SCRIPT), step], env=given, check=True, cwd=folder, capture_output=True)
    return calls.read_text().splitlines()


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("image", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_azd_up_names_the_image_before_it_provisions_and_builds_it_afterwards(tmp_path: Path) -> None:
    document: dict[str, Any] = yaml.safe_load((ROOT / "azure.yaml").read_text())
    for when, step in {"preprovision": "tag", "postprovision": "build"}.items():
        for each in document["hooks"][when].values():
            assert f"infra/jobs/image.py {step}" in each["run"]
    tag = script().tag_of(ROOT)
    assert called(tmp_path, "tag", SLIPWAY_CLUSTER="new") == [f"azd env set SLIPWAY_JOB_IMAGE_TAG {tag}"]
    parameters = json.loads((ROOT / "infra" / "bicep" / "main.parameters.json").read_text())["parameters"]
    assert parameters["jobImageTag"]["value"] == "${SLIPWAY_JOB_IMAGE_TAG=}"
    built = {"SLIPWAY_JOB_IMAGE_TAG": tag, "SLIPWAY_REGISTRY": "slipway.azurecr.io"}
    show = f"az acr repository show --name slipway --image slipway/jobs:{tag} --output none"
    build = f"az acr build --registry slipway --image slipway/jobs:{tag} --file infra/jobs/Dockerfile ."
    assert called(tmp_path, "build", **built) == [show, build]
    assert called(tmp_path, "build", shown=0, **built) == [show]
    assert "output SLIPWAY_REGISTRY string" in (ROOT / "infra" / "bicep" / "main.bicep").read_text()


@pytest.mark.parametrize(
    ("step", "environ"),
    [
        ("tag", {}),
        ("tag", {"SLIPWAY_CLUSTER": "none"}),
        ("tag", {"SLIPWAY_CLUSTER": "new", "SLIPWAY_JOB_IMAGE_TAG": "mine"}),
        ("build", {"SLIPWAY_REGISTRY": "slipway.azurecr.io"}),
        ("build", {"SLIPWAY_REGISTRY": "slipway.azurecr.io", "SLIPWAY_JOB_IMAGE_TAG": "mine"}),
    ],
)
def test_without_a_cluster_and_with_a_tag_of_ones_own_nothing_is_built(
    tmp_path: Path, step: str, environ: dict[str, str]
) -> None:
    assert called(tmp_path, step, **environ) == []


def test_the_tag_tells_the_files_of_the_image_apart(tmp_path: Path) -> None:
    module = script()
    for name in (module.DOCKERFILE, "requirements-local.txt", "shared/a.py", "shared/__pycache__/a.pyc"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1")
    first = module.tag_of(tmp_path)
    (tmp_path / "shared" / "__pycache__" / "a.pyc").write_text("2")
    assert module.tag_of(tmp_path) == first
    (tmp_path / "shared" / "a.py").write_text("2")
    assert module.tag_of(tmp_path) != first
