"""Debian's docker-registry (distribution 2.8) on a free port of loopback, which wants a user and a password."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

START_TIMEOUT_S = 30.0
USER, PASSWORD = "slipway", "not-to-be-seen"
_HTPASSWD = (
    "slipway:$2y$04$abcdefghijklmnopqrstuuU2rZAgbUAF/t3jl1mVu5l75ujIeuNBO\n"  # bcrypt, the only kind that it reads
)
_CONFIG = """
version: 0.1
log: {{level: info, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}/storage}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:0", relativeurls: true, secret: of-this-run}}
auth: {{htpasswd: {{realm: test, path: {folder}/htpasswd}}}}
"""
_LISTENING = re.compile(r"listening on (127\.0\.0\.1:[0-9]+)")


@dataclass(frozen=True, slots=True)
class DockerRegistry:
    host: str  # HOST:PORT


def _wait(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        if found := _LISTENING.search(log.read_text(errors="replace")):
            return found[1]
        time.sleep(0.02)
    raise AssertionError(f"docker-registry does not listen: {log.read_text(errors='replace')[-2000:]}")


@contextmanager
def docker_registry(folder: Path) -> Iterator[DockerRegistry]:
    """Running, and ended with the block. Skips where the programs are not installed."""
    for program in ("docker-registry", "skopeo"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (apt-get install docker-registry skopeo)")
    (folder / "htpasswd").write_text(_HTPASSWD)
    (folder / "config.yml").write_text(_CONFIG.format(folder=folder))
    command = ["docker-registry", "serve", str(folder / "config.yml")]
    log = folder / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    try:
        yield DockerRegistry(_wait(process, log))
    finally:
        process.terminate()
        process.wait(timeout=30)
