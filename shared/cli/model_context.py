"""`slipway model package --context`: the build context of a model's image, for those who build elsewhere."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

from shared.cli.api import Api, segment
from shared.cli.download import download_version
from shared.cli.errors import CliError, ExitCode
from shared.cli.options import Options
from shared.errors import SlipwayError
from shared.packaging.entries import Entry
from shared.packaging.model_context import write_model_context
from shared.packaging.server import server_identity
from shared.resources.environment import DEFAULT_PYTHON
from shared.resources.image import ImageRecipe
from shared.resources.model import ModelFile


def write_context_of(
    api: Api,
    options: Options,
    model: dict[str, Any],
    environment: dict[str, Any],
    folder: Path,
    entry_script: str,
    base_image: str,
) -> Path:
    """Write the Dockerfile with all it needs into a new folder; the Dockerfile's path comes out. Raises CliError for
    what the server refuses, and for a folder that is not empty."""
    name, version = environment["name"], environment["version"]
    lock = api.get(f"environments/{segment(name)}/versions/{segment(version)}/lock")["text"]
    declared = environment["declaration"]
    python = declared.get("python_version") or DEFAULT_PYTHON
    recipe = ImageRecipe(
        model_name=model["name"],
        model_version=str(model["version"]),
        files=[ModelFile.model_validate(file) for file in model["files"]],
        environment_identity=environment["identity"],
        python_version=python,
        base_image=base_image or declared.get("image") or f"docker.io/library/python:{python}-slim",
        entry_script=entry_script,
        server=server_identity(),
        platforms=["linux/amd64"],
    )
    if entry_script and entry_script not in {file.path for file in recipe.files}:
        raise click.UsageError(f"--entry-script {entry_script!r} is no file of the model")
    with tempfile.TemporaryDirectory(prefix="slipway-model-") as work:
        targets = download_version(api, options, model, Path(work), force=False)
        files = [Entry(file["path"], target, 0o644) for file, target in targets]
        try:
            return write_model_context(folder, recipe, lock, files)
        except SlipwayError as error:
            raise CliError(error.message, ExitCode.REFUSED, remedy=error.remedy) from error
