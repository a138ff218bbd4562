"""The image of Slipway's own jobs, built and run as a cluster runs it: by podman, on a root file system of Debian that
stands for the official image of Python, with packages that this machine downloads before."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.deployment_targets.kubernetes.workload import USER
from shared.resources.data_profile import DataPart, DataTable
from shared.resources.job_work import DataProfileOutcome, DataProfileWork
from shared.resources.model import ModelFile
from shared.worker.handover import Handover
from tests.infra.bicep_files import ROOT
from tests.scenarios.test_image_runs import Podman, make_root, podman_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

IMAGE = "localhost/slipway-jobs:1"
# As shared/deployment_targets/kubernetes has its pods.
RESTRICTED = ("--rm", "--read-only", "--read-only-tmpfs=false", "--cap-drop=all", "--security-opt=no-new-privileges",
              f"--user={USER}:{USER}", "--tmpfs=/tmp:rw,mode=1777")  # fmt: skip
OFFLINE = "--network=none"
ROWS = b"a,b\n1,x\n2,y\n3,x\n"
TRY = """
import json, os, socket
found = {}
calls = {"socket": socket.socket, "file": lambda: open("/tmp/other", "w"), "own": lambda: open("own", "w")}
for name, call in calls.items():
    try:
        call()
        found[name] = "done"
    except OSError as error:
        found[name] = type(error).__name__
print(json.dumps(found))
"""
LAUNCH = """
import json, os, subprocess, sys
import shared.optimization.launcher as launcher
os.mkdir("/tmp/own")
print(json.dumps(sorted(os.listdir("/opt/slipway"))))
job = {"command": [sys.executable, "-c", sys.argv[1]], "environment": {}, "scratch": "/tmp/own", "timeout_s": 60,
       "memory_bytes": 2**32, "cpu_s": 60, "file_bytes": 2**20, "processes": 64}
done = subprocess.run([sys.executable, "-I", launcher.__file__], input=json.dumps(job), capture_output=True, text=True)
print(done.stdout.strip().splitlines()[-1] if done.stdout else done.stderr)
print(done.stderr.splitlines()[0])
"""


@dataclass(frozen=True)
class Image:
    podman: Podman

    def run(self, *arguments: str, options: tuple[str, ...] = ()) -> str:
        """What a container of it prints. Raises AssertionError when it does not end well."""
        return self.podman("run", *RESTRICTED, *options, IMAGE, *arguments)


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        if platform.freedesktop_os_release().get("VERSION_CODENAME") != "bookworm":
            pytest.skip("the packages are locked for Python 3.11, which is Debian 12's")
        root = make_root(scratch, "python3", "python3-pip")
        wheels = scratch / "wheels"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        command += ["-d", str(wheels), "-r", str(ROOT / "requirements-local.txt")]
        subprocess.run(command, check=True, timeout=900)
        with podman_in(scratch / "podman") as podman:
            podman("import", str(root), "localhost/python:1")
            podman(
                "build", "--quiet", "--isolation=chroot", f"--signature-policy={podman.folder}/policy.json",
                "--build-arg=BASE=localhost/python:1", f"--volume={wheels}:/wheels:ro", "--env=PIP_NO_INDEX=1",
                "--env=PIP_FIND_LINKS=/wheels", "--env=PIP_BREAK_SYSTEM_PACKAGES=1", f"--tag={IMAGE}",
                f"--file={ROOT / 'infra' / 'jobs' / 'Dockerfile'}", str(ROOT), timeout_s=1500,
            )  # fmt: skip
            yield Image(podman)


def test_it_says_what_it_does(image: Image) -> None:
    assert "shared.worker run FOLDER" in image.run("--help", options=(OFFLINE,))


def test_it_does_a_work_without_network_or_identity(image: Image, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()

    async def read(_sha256: str) -> AsyncIterator[bytes]:
        yield ROWS

    file = ModelFile(path="rows.csv", sha256="0" * 64, size_bytes=len(ROWS))
    table = DataTable(parts=[DataPart(file=file, format="csv")])
    work = DataProfileWork(profile_id="d", label="rows:1", table=table, timeout_s=120)
    asyncio.run(Handover(folder).fetch(work, read))
    for path in (folder, *folder.rglob("*")):
        os.chown(path, USER, USER)
    image.run("run", "/work", options=(OFFLINE, f"--volume={folder}:/work"))
    outcome = DataProfileOutcome.model_validate_json(Handover(folder).outcome())
    assert outcome.profile is not None, outcome
    assert outcome.profile.rows == 3
    assert outcome.sketch_file is not None
    assert (folder / "kept" / outcome.sketch_file.sha256).stat().st_size == outcome.sketch_file.size_bytes


def test_what_opens_a_model_has_neither_sockets_nor_other_files_to_write_to(image: Image, tmp_path: Path) -> None:
    """Without namespaces, which a cluster's runtime refuses by a filter. The image holds no more than it needs."""
    no_namespaces = {"names": ["unshare"], "action": "SCMP_ACT_ERRNO"}
    (tmp_path / "seccomp.json").write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [no_namespaces]}))
    options = (*RESTRICTED, f"--security-opt=seccomp={tmp_path / 'seccomp.json'}", "--entrypoint=python3")
    held, printed, report = image.podman("run", *options, IMAGE, "-c", LAUNCH, TRY).splitlines()
    assert json.loads(held) == ["requirements-local.txt", "shared"]
    assert json.loads(printed) == {"socket": "PermissionError", "file": "PermissionError", "own": "done"}
    protections = json.loads(report)["protections"]
    assert {"no sockets", "writes in its folder only"} <= set(protections)
    assert "no network" not in protections
