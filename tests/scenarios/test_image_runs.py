"""Images are started for real: on a root file system that mmdebstrap makes, by podman with runc, as root only."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shared.packaging.base import BaseImage, base_of_root
from shared.packaging.build_context import MODELS_ROOT, PackagedModel, write_context
from shared.packaging.image import ImageConfig, assemble, write_index
from shared.packaging.layer import Entry, write_layer

pytestmark = pytest.mark.slow

PROGRAMS = ("mmdebstrap", "podman", "runc")
SOURCES = ("/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list.d/ubuntu.sources", "/etc/apt/sources.list")
MACHINES = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}
START_TIMEOUT_S = 30.0
_PORT = re.compile(r"\bport (\d+)")
# crun refuses machines with both kinds of cgroups, and there may be neither systemd nor its journal.
CONTAINERS_CONF = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
SERVE = """
import http.server, json, os, signal, sys
from pathlib import Path

def can_write(path):
    try:
        Path(path).write_text("")
    except OSError:
        return False
    return True

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        rows = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        weight = int((Path(os.environ["AZUREML_MODEL_DIR"]) / "weight.txt").read_text())
        writes = can_write("/var/azureml-app/written")
        found = {"result": [weight * row for row in rows], "uid": os.getuid(), "writes": writes}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(found).encode())

# the first process of a container gets no signal that it does not handle
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print("port", server.server_port, flush=True)
server.serve_forever()
"""
MODEL = PackagedModel("diabetes", "3", [Entry("weight.txt", b"7")])
CONFIG = ImageConfig(
    env={"AZUREML_MODEL_DIR": f"{MODELS_ROOT}/diabetes/3"}, entrypoint=("python3", "-u", "/var/azureml-app/serve.py"),
    working_dir="/var/azureml-app", user="65532:65532",
)  # fmt: skip
ANSWER = {"result": [7, 14], "uid": 65532, "writes": False}


@dataclass(frozen=True, slots=True)
class Podman:
    """Podman with storage and configuration of its own."""

    folder: Path

    def __call__(self, *arguments: str, with_errors: bool = False, timeout_s: float = 300) -> str:
        command = ["podman", f"--root={self.folder}/root", f"--runroot={self.folder}/run", "--storage-driver=vfs",
                   *arguments]  # fmt: skip
        environment = {**os.environ, "CONTAINERS_CONF": str(self.folder / "containers.conf")}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=timeout_s)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return (done.stdout + done.stderr).strip() if with_errors else done.stdout.strip()

    @contextlib.contextmanager
    def running(self, image: str, *options: str) -> Iterator[int]:
        """The port that the container listens on."""
        container = self("run", "--detach", "--network=host", "--read-only", *options, image)
        try:
            yield self._port(container)
            self("stop", "--time=20", container)
            assert self("inspect", "--format={{.State.ExitCode}}", container) == "0"
        finally:
            self("rm", "--force", "--time=0", container)

    def _port(self, container: str) -> int:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if found := _PORT.search(self("logs", container, with_errors=True)):
                return int(found[1])
            time.sleep(0.1)
        raise AssertionError(f"the container does not listen: {self('logs', container, with_errors=True)!r}")


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    """A folder that goes with the module: what is here is large."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture(scope="module")
def root_tar(scratch: Path) -> Path:
    """A root file system with python3."""
    return make_root(scratch, "python3")


def make_root(scratch: Path, *packages: str) -> Path:
    """A root file system with these packages, from the distribution and the mirror of this machine. Skips where that
    cannot be had."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a root file system and start a container on it")
    if missing := [program for program in PROGRAMS if shutil.which(program) is None]:
        pytest.skip(f"not installed: {', '.join(missing)} (apt-get install {' '.join(missing)})")
    release = platform.freedesktop_os_release()
    sources = next((path for path in SOURCES if os.path.exists(path) and os.path.getsize(path)), None)
    if sources is None or "VERSION_CODENAME" not in release or platform.machine() not in MACHINES:
        pytest.skip("mmdebstrap needs a Debian or Ubuntu with apt sources, on amd64 or arm64")
    tar = scratch / "root.tar"
    command = ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", f"--include={','.join(packages)}",
               release["VERSION_CODENAME"], str(tar), sources]  # fmt: skip
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    return tar


@pytest.fixture(scope="module")
def layout(scratch: Path) -> Path:
    return scratch / "layout"


@pytest.fixture(scope="module")
def base(root_tar: Path, layout: Path) -> BaseImage:
    return base_of_root(root_tar, layout, platform=MACHINES[platform.machine()])


@pytest.fixture(scope="module")
def podman(scratch: Path, root_tar: Path) -> Iterator[Podman]:
    with podman_in(scratch / "podman") as made:
        yield made


@contextlib.contextmanager
def podman_in(folder: Path) -> Iterator[Podman]:
    """Podman with its storage in this folder; no image is left."""
    folder.mkdir()
    (folder / "containers.conf").write_text(CONTAINERS_CONF)
    (folder / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    made = Podman(folder)
    yield made
    made("rmi", "--all", "--force")


def score(port: int) -> Any:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/score", data=b"[1, 2]")
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.loads(response.read())


def test_an_image_that_we_assembled_runs_and_scores(layout: Path, base: BaseImage, podman: Podman) -> None:
    app = write_layer([Entry("var/azureml-app/serve.py", SERVE.encode())], layout)
    model = write_layer(
        [Entry(f"var/azureml-app/azureml-models/diabetes/3/{entry.target}", entry.source) for entry in MODEL.files],
        layout,
        compressed=False,
    )
    named = assemble(layout, [model, app], CONFIG, platform=base.platform, base=base)
    write_index(layout, [named], "3")
    podman("pull", "--quiet", f"--signature-policy={podman.folder}/policy.json", f"oci:{layout}:3")
    (pulled,) = json.loads(podman("images", "--format=json"))
    assert pulled["Digest"] == named.digest
    with podman.running(pulled["Id"]) as port:
        assert score(port) == ANSWER


def test_a_build_context_builds_and_scores(layout: Path, base: BaseImage, podman: Podman, tmp_path: Path) -> None:
    write_index(layout, [assemble(layout, [], ImageConfig(), platform=base.platform, base=base)], "base")
    policy = f"--signature-policy={podman.folder}/policy.json"
    image = podman("pull", "--quiet", policy, f"oci:{layout}:base").splitlines()[-1]
    podman("tag", image, "localhost/base:1")
    write_context(
        tmp_path / "context", base_image="localhost/base:1", base_digest=None, lock="",
        app=[Entry("serve.py", SERVE.encode())], models=[MODEL], config=CONFIG,
    )  # fmt: skip
    podman("build", "--quiet", "--isolation=chroot", policy, "--tag=localhost/context:1", str(tmp_path / "context"))
    with podman.running("localhost/context:1") as port:
        assert score(port) == ANSWER
