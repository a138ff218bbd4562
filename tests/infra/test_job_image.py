"""The image of Slipway's own jobs holds what a job runs."""

from __future__ import annotations

import re

from shared.adapters.jobs.works import MODULE
from shared.deployment_targets.kubernetes.workload import USER
from tests.infra.bicep_files import ROOT

DOCKERFILE = (ROOT / "infra" / "jobs" / "Dockerfile").read_text()


def test_the_image_has_the_module_and_its_packages_by_hash_and_is_nobodys_root() -> None:
    copied = re.findall(r"^COPY (\S+) ", DOCKERFILE, re.M)
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
