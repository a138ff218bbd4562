"""Where pushed files come from: the properties that Azure ML keeps of a git working copy and of a CI build."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import click

TIMEOUT_S = 5.0
# (build id, build URI) of CI systems, by the variables they set.
_BUILDS = (
    ("BUILD_BUILDID", "BUILD_BUILDURI"),  # Azure Pipelines
    ("GITHUB_RUN_ID", ""),
    ("CI_PIPELINE_ID", "CI_PIPELINE_URL"),  # GitLab
)


def provenance(path: Path, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The properties, under Azure ML's names (azureml-core's and MLflow's both); {} outside of a working copy and of a
    build. A repository's URL that holds a password is left out, with a warning."""
    found = _git(path if path.is_dir() else path.parent)
    build_id, build_uri = _build(os.environ if environ is None else environ)
    if build_id:
        found["azureml.git.build_id"] = build_id
    if build_uri:
        found["azureml.git.build_uri"] = build_uri
    return found


def repository_folder(folder: Path) -> str:
    """Where the folder is in its repository, "" for its root and outside of a working copy."""
    return (_run(folder, "rev-parse", "--show-prefix") or "").strip("/")


def _git(folder: Path) -> dict[str, str]:
    if shutil.which("git") is None or not _run(folder, "rev-parse", "--is-inside-work-tree"):
        return {}
    found: dict[str, str] = {}
    said = {
        ("azureml.git.repository_uri", "mlflow.source.git.repoURL"): _repository(folder),
        ("azureml.git.branch", "mlflow.source.git.branch"): _run(folder, "symbolic-ref", "--short", "-q", "HEAD"),
        ("azureml.git.commit", "mlflow.source.git.commit"): _run(folder, "rev-parse", "HEAD"),
    }
    for names, value in said.items():
        if value:
            found |= dict.fromkeys(names, value)
    status = _run(folder, "status", "--porcelain", "--", ".")
    if status is not None:
        found["azureml.git.dirty"] = str(bool(status))
    return found


def _repository(folder: Path) -> str | None:
    url = _run(folder, "config", "--get", "remote.origin.url")
    if url and "://" in url and urlsplit(url).password is not None:
        click.echo("The URL of the git remote holds a password: it is not recorded", err=True)
        return None
    return url


def _run(folder: Path, *arguments: str) -> str | None:
    """What git prints, without white space around; None when it fails or takes too long."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _build(environ: Mapping[str, str]) -> tuple[str, str]:
    for id_name, uri_name in _BUILDS:
        if environ.get(id_name):
            uri = environ.get(uri_name, "")
            if id_name == "GITHUB_RUN_ID":
                place = environ.get("GITHUB_SERVER_URL", ""), environ.get("GITHUB_REPOSITORY", "")
                uri = f"{place[0]}/{place[1]}/actions/runs/{environ[id_name]}" if all(place) else ""
            return environ[id_name], uri
    return "", ""
