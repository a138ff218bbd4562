"""Policy: checkov finds nothing in the Bicep files but what infra/bicep/checkov.yaml gives a reason for.

checkov pins a hundred packages and an older parser, so it gets an environment of its own, once.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.infra.bicep_files import BICEP, FILES

CHECKOV = "checkov==3.3.30"
PARSER = "pycep-parser==0.7.1"  # checkov passes over what its own older parser does not know


@pytest.fixture(scope="module")
def checkov(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkov")
    uv = [sys.executable, "-m", "uv"]
    python = folder / "env" / "bin" / "python"
    (folder / "overrides.txt").write_text(PARSER)
    for command in (
        [*uv, "venv", "--quiet", "--python", sys.executable, str(folder / "env")],
        [
            *uv,
            "pip",
            "install",
            "--quiet",
            "--python",
            str(python),
            "--override",
            str(folder / "overrides.txt"),
            CHECKOV,
        ],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode != 0:
            pytest.skip(f"checkov cannot be installed here: {done.stderr[-300:]}")
    return python.parent / "checkov"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nothing_is_found_that_has_no_reason(checkov: Path) -> None:
    command = [
        str(checkov),
        "-d",
        str(BICEP),
        "--config-file",
        str(BICEP / "checkov.yaml"),
        "--skip-download",
        "-o",
        "json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=_clean_environment())
    report = json.loads(done.stdout)
    failed = report["results"]["failed_checks"]
    assert [(each["check_id"], each["check_name"], each["resource"]) for each in failed] == []
    assert report["results"]["parsing_errors"] == []
    assert report["summary"]["resource_count"] > len(FILES), "it reads every file"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_reason_is_still_needed(checkov: Path) -> None:
    skipped = set(re.findall(r"^  - (CKV\w+)", (BICEP / "checkov.yaml").read_text(), re.MULTILINE))
    command = [str(checkov), "-d", str(BICEP), "--framework", "bicep", "--compact", "--skip-download", "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=_clean_environment())
    assert {each["check_id"] for each in json.loads(done.stdout)["results"]["failed_checks"]} == skipped


def _clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
