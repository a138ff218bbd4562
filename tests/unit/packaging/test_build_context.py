"""Build contexts: Azure ML's layout, a base by digest, packages by hash, no root, and no value breaks out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shared.errors import Invalid
from shared.packaging.build_context import PackagedModel, write_context
from shared.packaging.image import ImageConfig
from shared.packaging.layer import Entry, folder_entries
from tests.unit.packaging.made import files_of

DIGEST = f"sha256:{'a' * 64}"
LOCK = f"numpy==2.4.6 --hash=sha256:{'b' * 64}\n"
MODELS = [PackagedModel("diabetes", "3", [Entry("model.onnx", b"onnx"), Entry("data/x.csv", b"1")])]
CONFIG = ImageConfig(
    env={"GREETING": 'say "$HOME" \\ twice'}, entrypoint=("python3", "-m", "serve"), cmd=("--port", "5001"),
    exposed_ports=(5001,), labels={"org.opencontainers.image.title": "diabetes"},
)  # fmt: skip


def write(folder: Path, **changed: Any) -> Path:
    arguments: dict[str, Any] = {
        "base_image": "mcr.example/python:3.11", "base_digest": DIGEST, "lock": LOCK,
        "app": [Entry("score.py", b"def run(): ...\n")], "models": MODELS, "config": CONFIG,
    }  # fmt: skip
    return write_context(folder, **arguments | changed)


def test_the_context_is_azure_mls_layout(tmp_path: Path) -> None:
    dockerfile = write(tmp_path / "context").read_text()
    assert files_of(tmp_path / "context") == {
        "Dockerfile": dockerfile.encode(),
        "requirements.lock": LOCK.encode(),
        "azureml-app/score.py": b"def run(): ...\n",
        "azureml-models/diabetes/3/model.onnx": b"onnx",
        "azureml-models/diabetes/3/data/x.csv": b"1",
    }
    assert (
        dockerfile
        == f"""\
FROM mcr.example/python:3.11@{DIGEST}
ARG PIP_INDEX_URL
COPY requirements.lock /opt/slipway/requirements.lock
RUN ["python3", "-m", "pip", "install", "--no-cache-dir", "--no-compile", "--no-deps", "--require-hashes", \
"--requirement", "/opt/slipway/requirements.lock"]
COPY --chown=0:0 azureml-models/ /var/azureml-app/azureml-models/
COPY --chown=0:0 azureml-app/ /var/azureml-app/
ENV AML_APP_ROOT="/var/azureml-app"
ENV AZUREML_MODEL_DIR="/var/azureml-app/azureml-models/diabetes/3"
ENV GREETING="say \\"\\$HOME\\" \\\\ twice"
LABEL "org.opencontainers.image.title"="diabetes"
EXPOSE 5001/tcp
WORKDIR /var/azureml-app
USER 65532:65532
ENTRYPOINT ["python3", "-m", "serve"]
CMD ["--port", "5001"]
"""
    )


def test_several_models_no_models_no_packages_and_an_unknown_digest(tmp_path: Path) -> None:
    two = [*MODELS, PackagedModel("heart", "1", [Entry("m", b"")])]
    several = write(tmp_path / "1", models=two).read_text()
    assert 'AZUREML_MODEL_DIR="/var/azureml-app/azureml-models"' in several
    nothing = write(tmp_path / "2", models=[], lock="", base_digest=None, app=[]).read_text()
    assert nothing.startswith("FROM mcr.example/python:3.11\nCOPY --chown=0:0 azureml-app/")
    assert (tmp_path / "2" / "azureml-app").is_dir()
    assert "AZUREML_MODEL_DIR" not in nothing
    assert (
        write(tmp_path / "3", base_image=f"mcr.example/a@{DIGEST}")
        .read_text()
        .startswith(f"FROM mcr.example/a@{DIGEST}\n")
    )


def test_files_links_and_modes_are_kept(tmp_path: Path) -> None:
    app = tmp_path / "app"
    (app / "empty").mkdir(parents=True)
    (app / "run.sh").write_bytes(b"#!/bin/sh\n")
    (app / "run.sh").chmod(0o700)
    (app / "start").symlink_to("run.sh")
    write(tmp_path / "context", app=folder_entries(app))
    written = tmp_path / "context" / "azureml-app"
    assert (written / "run.sh").stat().st_mode & 0o777 == 0o755
    assert (written / "start").readlink() == Path("run.sh")
    assert (written / "empty").is_dir()


@pytest.mark.parametrize(
    "changed",
    [
        {"base_image": "a\nRUN id"},
        {"base_image": "--platform=x a"},
        {"base_image": f"a@sha256:{'0' * 64}"},
        {"base_digest": "latest"},
        {"lock": "numpy\n"},
        {"lock": "--index-url https://user:secret@host.example/simple\n"},
        {"app": [Entry("../score.py", b"")]},
        {"models": [PackagedModel("a", "../../1", [Entry("m", b"")])]},
        {"config": ImageConfig(env={"A B": "1"})},
        {"config": ImageConfig(env={"A": "1\nUSER root"})},
        {"config": ImageConfig(labels={"a\n": "1"})},
        {"config": ImageConfig(user="root")},
        {"config": ImageConfig(user="00:5")},
        {"config": ImageConfig(user="1\nRUN id")},
        {"config": ImageConfig(working_dir="/a b")},
    ],
    ids=str,
)  # fmt: skip
def test_what_could_break_out_is_refused_and_nothing_written(tmp_path: Path, changed: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        write(tmp_path / "context", **changed)
    assert "secret" not in str(refused.value)
    assert not (tmp_path / "context").exists()


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"")
    with pytest.raises(Invalid, match="is not empty"):
        write(tmp_path)
    assert files_of(tmp_path) == {"mine": b""}
