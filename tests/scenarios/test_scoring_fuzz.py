"""Coverage-guided fuzzing of every parser: `SLIPWAY_TEST_FUZZ_S` seconds for each, by atheris, installed apart."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scenarios.local_host import ROOT
from tests.scoring_fuzz.checks import TARGETS
from tests.scoring_fuzz.seeds import write

SECONDS = int(os.environ.get("SLIPWAY_TEST_FUZZ_S", "200"))
VENV = ROOT / "build" / "atheris"
PACKAGES = ("atheris", "httptools", "numpy", "onnxruntime", "orjson")
WORDS = ROOT / "tests" / "scoring_fuzz" / "words.dict"


@pytest.fixture(scope="module")
def python() -> Path:
    found = VENV / "bin" / "python"
    if not found.exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
        subprocess.run([str(found), "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    return found


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 300)
@pytest.mark.parametrize("target", TARGETS)
def test_nothing_is_found(tmp_path: Path, python: Path, target: str) -> None:
    """A finding is in the output as Python bytes: it becomes a test in tests/unit/scoring/test_fuzz_findings.py."""
    corpus = tmp_path / "corpus"
    write(target, corpus)
    command = [str(python), "-m", "tests.scoring_fuzz", target, f"-max_total_time={SECONDS}", "-max_len=600"]
    command += ["-timeout=20", f"-dict={WORDS}", f"-artifact_prefix={tmp_path}/", str(corpus)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    found = [path.read_bytes() for path in tmp_path.glob("*-*") if path.is_file()]
    assert ended.returncode == 0, f"{found}\n{ended.stderr[-5000:]}"
