"""`slipway environment audit`: known vulnerabilities of locked packages, told by pip-audit where it is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import click

from shared.cli import output
from shared.cli.api import Api
from shared.cli.environment_commands import environment as environment
from shared.cli.environment_commands import environment_path
from shared.cli.errors import CliError, ExitCode
from shared.cli.options import Options, common_options

PROGRAM = "pip-audit"
ARGUMENTS = ("--disable-pip", "--require-hashes", "--progress-spinner", "off", "--format", "json")


@environment.command("audit")
@click.argument("reference", metavar="NAME[:VERSION]")
@common_options
def audit(options: Options, reference: str) -> None:
    """Show known vulnerabilities of the locked packages; exit code 4 when there are any. Asks pip-audit, which asks the
    vulnerability database of the Python Package Index."""
    if (program := shutil.which(PROGRAM)) is None:
        raise CliError(f"{PROGRAM} is not installed", ExitCode.UNAVAILABLE, remedy=f"pip install {PROGRAM}")
    with Api(options) as api:
        lock = api.get(f"{environment_path(reference)}/lock")["text"]
    report = _report(program, lock)
    rows = [
        (one["name"], one["version"], each["id"], ", ".join(each.get("fix_versions") or ()) or "-")
        for one in report.get("dependencies", ())
        for each in one.get("vulns", ())
    ]
    headings = ("PACKAGE", "VERSION", "VULNERABILITY", "FIXED IN")
    output.show(options, report, output.table(headings, rows, empty="No known vulnerability."))
    if rows:
        raise click.exceptions.Exit(int(ExitCode.REFUSED))


def _report(program: str, lock: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="slipway-audit-") as folder:
        path = Path(folder) / "requirements.lock"
        path.write_text(lock)
        done = subprocess.run([program, *ARGUMENTS, "-r", str(path)], capture_output=True, text=True, check=False)
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        said = done.stderr.strip()[-1000:]
        raise CliError(f"{PROGRAM} gave no report (exit code {done.returncode}): {said}") from error
    return report
