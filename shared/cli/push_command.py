"""`slipway model push`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from shared.cli import output
from shared.cli.api import Api, segment
from shared.cli.manifest import Overrides, Push, read_push, remote_push
from shared.cli.options import Options, common_options
from shared.cli.references import assignments
from shared.paths import is_remote

LOOKED_INTO_S = 15.0
POLL_S = 0.1
TYPES = ("custom_model", "mlflow_model", "triton_model")
FRAMEWORKS = ("Custom", "TensorFlow", "ScikitLearn", "Onnx", "TfKeras", "PyTorch", "Multi")
# Options that are fields of the declaration as they are.
_FACTS = ("version", "framework", "framework_version", "stage", "run_id", "experiment_name", "parent", "unpack")


@click.command("push")
@click.argument("path")
@click.option("--name", help="The model's name; wins over the manifest's.")
@click.option("--version", help="A version that is free [one more than the highest number].")
@click.option("--description", help="Free text; wins over the manifest's.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="Added to the manifest's tags; repeatable.")
@click.option("--property", "properties", multiple=True, metavar="KEY=VALUE", help="A fact that never changes.")
@click.option("--type", "type_", type=click.Choice(TYPES), help="For a model without a manifest.")
@click.option("--framework", type=click.Choice(FRAMEWORKS, case_sensitive=False), help="What it was made with.")
@click.option("--framework-version", help="The framework's version.")
@click.option("--stage", help="E.g. Production.")
@click.option("--dataset", "datasets", multiple=True, metavar="PURPOSE=REFERENCE", help="E.g. training=azureml:d:1.")
@click.option("--run-id", help="The run that made it.")
@click.option("--experiment", "experiment_name", help="The experiment of that run.")
@click.option("--parent", metavar="NAME:VERSION", help="The model it was derived from.")
@click.option("--unpack/--no-unpack", default=None, help="Unpack a .zip or .tar.gz [for mlflow and triton models].")
@click.option("--no-git", is_flag=True, help="Do not record repository, branch and commit as properties.")
@common_options
def push(options: Options, path: str, no_git: bool, **given: Any) -> None:
    """Upload a model and register it as a version.

    PATH is a model.yml (Azure ML's CLI v2 format), a folder with one, or a bare model file or folder, which needs
    --name; or a URL (https://, s3://, runs:/RUN/PATH) that the server brings the files from. Files and folders whose
    names start with a dot are not sent.
    """
    from shared.cli.push import push_model

    what = _push(path, given, no_git)
    if what.skipped:
        click.echo(f"Not sent, because hidden: {', '.join(what.skipped)}", err=True)
    with Api(options) as api:
        version = inspected(api, push_model(api, options, what))
    for one in (version.get("inspection") or {}).get("pickles", ()):
        if one["severity"] in ("dangerous", "unreadable"):
            click.echo(f"WARNING: {one['path']} is {one['severity']}: {', '.join(one['globals'][:3])}", err=True)
    files = f"{len(version['files'])} file{'s' if len(version['files']) != 1 else ''}"
    output.show(options, version, f"Registered {version['id']} ({files}, {output.size(version['size_bytes'])})")


def inspected(api: Api, version: dict[str, Any]) -> dict[str, Any]:
    """The version once its files were looked into; as it is when that takes longer than LOOKED_INTO_S."""
    end = time.monotonic() + min(LOOKED_INTO_S, api.timeout_s)
    while version.get("phase") == "Registered" and time.monotonic() < end:
        time.sleep(POLL_S)
        version = api.get(f"models/{segment(version['name'])}/versions/{segment(version['version'])}")
    return version


def _push(path: str, given: dict[str, Any], no_git: bool) -> Push:
    from shared.cli.git_provenance import provenance

    remote = is_remote(path)
    facts = {name: given[name] for name in _FACTS if given[name] is not None}
    if given["datasets"]:
        pairs = assignments(given["datasets"], "--dataset")
        facts["datasets"] = [{"purpose": purpose, "reference": reference} for purpose, reference in pairs.items()]
    overrides = Overrides(
        given["name"],
        given["description"],
        assignments(given["tags"], "--tag"),
        given["type_"],
        facts,
        assignments(given["properties"], "--property"),
        {} if no_git or remote else provenance(Path(path)),
    )
    return remote_push(path, overrides) if remote else read_push(Path(path), overrides)
