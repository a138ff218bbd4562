"""The running host does what its OpenAPI document says, for whatever fits the document and whatever does not."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.hostile import attacked_host
from tests.scenarios.local_host import LocalHost
from tests.scenarios.rest import push

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "ignored_auth",
)
CONFIG = Path(__file__).with_name("schemathesis.toml")
HOOKS = Path(__file__).with_name("schemathesis_hooks.py")
SEED = 20261126


@pytest.fixture
def host(tmp_path: Path) -> Iterator[LocalHost]:
    """A host with something in it to find."""
    with attacked_host(tmp_path) as attacked:
        asyncio.run(fill(attacked))
        yield attacked


async def fill(host: LocalHost) -> None:
    async with host.client() as http:
        for number in range(3):
            await push(http, "0", {"model.onnx": f"model {number}".encode()}, tags={"owner": "me"})


def fuzz(host: LocalHost, folder: Path, *, examples: int, seed: int | None, timeout_s: float) -> None:
    """Run schemathesis against every operation. Raises AssertionError with its report when it found something."""
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG)]
    command += ["run", f"{host.url}/api/openapi.json"]
    command += ["--header", f"x-functions-key:{host.secrets['host_keys']['default']}"]
    command += ["--checks", ",".join(CHECKS), "--max-examples", str(examples)]
    command += ["--workers", "1"]  # with more, ast.parse in two threads fails now and then (CPython gh-106905)
    command += ["--request-timeout", "30", "--continue-on-failure", "--warnings", "off"]
    command += ["--suppress-health-check", "all", "--output-sanitize", "true"]
    command += ["--seed", str(seed)] if seed is not None else []
    environ = {**os.environ, "SCHEMATHESIS_HOOKS": str(HOOKS)}
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, timeout=timeout_s, check=False
    )
    assert done.returncode == 0, done.stdout[-30_000:] + done.stderr[-5_000:]


@pytest.mark.timeout(900)
def test_the_api_conforms_to_its_document(host: LocalHost, tmp_path: Path) -> None:
    fuzz(host, tmp_path, examples=1, seed=SEED, timeout_s=840)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_api_conforms_to_its_document_at_length(host: LocalHost, tmp_path: Path) -> None:
    fuzz(host, tmp_path, examples=150, seed=None, timeout_s=1700)
