"""`slipway run local`: the packaged scoring server on this machine, in a locked environment, for debugging."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import click

from shared.cli.api import Api, segment
from shared.cli.curated import environment_option, environment_reference
from shared.cli.download import download_version
from shared.cli.environment_commands import environment_path, finished_environment
from shared.cli.errors import CliError, ExitCode
from shared.cli.options import Options, common_options
from shared.cli.references import model_reference


@click.command("local")
@click.argument("reference", metavar="NAME[:VERSION|@LABEL]")
@environment_option
@click.option("--entry-script", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="init() and run().")
@click.option("--port", type=click.IntRange(0, 65535), default=5001, show_default=True, help="0: any free one.")
@click.option("--reload", is_flag=True, help="Start again when the entry script or the model changes.")
@common_options
def local(
    options: Options, reference: str, environment: str, entry_script: Path | None, port: int, reload: bool
) -> None:
    """Serve a model on this machine as its image does, until Ctrl-C: the same server, the same locked packages."""
    name, version = model_reference(reference)
    with Api(options) as api:
        used = finished_environment(api, environment_reference(api, environment))
        python = Path(used["location"]) / "bin" / "python"
        if python.is_absolute() and not python.exists():  # it was let go, or removed by hand
            named = f"{used['name']}:{used['version']}"
            api.call("POST", f"{environment_path(named)}/build")
            used = finished_environment(api, named)
        if not python.exists():
            remedy = "use a Slipway on this machine (`slipway up`), which builds environments in folders"
            raise CliError(f"{used['location']!r} is no environment on this machine", ExitCode.REFUSED, remedy=remedy)
        found = api.get(f"models/{segment(name)}/versions/{segment(version)}")
        folder = _downloaded(api, options, found)
    path = _server_path(options, used)
    command = [str(python), "-m", "shared.scoring", "--model", str(folder), "--port", str(port), "--host", "127.0.0.1"]
    command += ["--entry-script", str(entry_script.resolve())] if entry_script else []
    command += ["--reload"] if reload else []
    os.execve(python, command, _environ(path))  # noqa: S606 - it takes this process's place, and its signals


def _downloaded(api: Api, options: Options, version: dict[str, Any]) -> Path:
    """The model's files, each verified, below the data folder."""
    place = str(version["version"])
    if not all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}", part) for part in (version["name"], place)):
        raise CliError("the server answered with something else than the model that was asked for")
    folder: Path = options.data_path / "local" / "azureml-models" / version["name"] / place
    download_version(api, options, version, folder, force=True)
    return folder.resolve()


def _server_path(options: Options, used: dict[str, Any]) -> str:
    import asyncio

    from shared.errors import SlipwayError
    from shared.packaging.server_packages import server_path

    names = [one.partition("==")[0] for one in used["packages"]]
    try:
        return asyncio.run(server_path(options.data_path / "local", Path(used["location"]), names))
    except SlipwayError as error:
        raise CliError(error.message, remedy=error.remedy) from error


def _environ(path: str) -> dict[str, str]:
    """The environment variables of the server: those of this process without Slipway's own, which may hold keys."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SLIPWAY_") or "SCORING" in key}
    return {**kept, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
