"""`slipway model package` and `slipway image`: models as images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from shared.cli import output
from shared.cli.api import Api, segment
from shared.cli.curated import environment_option, environment_reference
from shared.cli.environment_commands import finished_environment
from shared.cli.errors import CliError, ExitCode
from shared.cli.options import Options, common_options
from shared.cli.references import model_reference
from shared.cli.waiting import end, finished

SHOWN_ID = 12


@click.command("package")
@click.argument("reference", metavar="NAME[:VERSION|@LABEL]")
@environment_option
@click.option("--platform", "platforms", multiple=True, help="linux/amd64 or linux/arm64; repeatable [linux/amd64].")
@click.option("--entry-script", default="", metavar="PATH", help="A file of the model with init() and run().")
@click.option(
    "--context", type=click.Path(file_okay=False, path_type=Path), help="Write a Dockerfile with all it needs instead."
)
@click.option("--base-image", default="", help="With --context: what it is built on [the environment's].")
@common_options
def package(
    options: Options,
    reference: str,
    environment: str,
    platforms: tuple[str, ...],
    entry_script: str,
    context: Path | None,
    base_image: str,
) -> None:
    """Package a model with the scoring server and an environment as an image, and wait for it."""
    name, version = model_reference(reference)
    path = f"models/{segment(name)}/versions/{segment(version)}"
    with Api(options) as api:
        used = finished_environment(api, environment_reference(api, environment))
        if context is not None:
            from shared.cli.model_context import write_context_of

            dockerfile = write_context_of(api, options, api.get(path), used, context, entry_script, base_image)
            output.show(options, {"dockerfile": str(dockerfile)}, f"{dockerfile}: docker build {context}")
            return
        body = {
            "environment": f"{used['name']}:{used['version']}",
            "platforms": list(platforms) or ["linux/amd64"],
            "entry_script": entry_script,
        }
        made = api.call("POST", f"{path}/package", body=body).document
        end(options, finished(api, f"images/{made['image_id']}", "the image"), describe)


@click.group("image")
def image() -> None:
    """Images of models: `slipway model package` makes them."""


@image.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many.")
@common_options
def list_(options: Options, limit: int) -> None:
    """List images, newest first."""
    with Api(options) as api:
        page = api.pages("images", limit=limit)
    rows = [
        (
            one["image_id"][:SHOWN_ID],
            one["phase"],
            one["model"],
            one["environment"],
            ", ".join(one["platforms"]),
            one["digest"][: len("sha256:") + SHOWN_ID],
            output.size(one["size_bytes"]) if one["size_bytes"] else "",
            output.moment(one["unused_since"]),
            output.moment(one["created_at"]),
        )
        for one in page["items"]
    ]
    headings = ("ID", "PHASE", "MODEL", "ENVIRONMENT", "PLATFORMS", "DIGEST", "SIZE", "UNUSED SINCE", "CREATED")
    output.show(options, page, output.table(headings, rows, empty="There are no images."))


@image.command("show")
@click.argument("image_id")
@common_options
def show(options: Options, image_id: str) -> None:
    """Show one image, by its whole id or the beginning of it."""
    with Api(options) as api:
        found = api.get(f"images/{_whole(api, image_id)}")
    output.show(options, found, describe(found))


@image.command("logs")
@click.argument("image_id")
@common_options
def logs(options: Options, image_id: str) -> None:
    """Print what the builder printed."""
    with Api(options) as api:
        found = api.get(f"images/{_whole(api, image_id)}/log")
    output.show(options, found, found["text"].rstrip("\n"))


@image.command("bill")
@click.argument("image_id")
@common_options
def bill(options: Options, image_id: str) -> None:
    """Print the software bill of materials, CycloneDX JSON."""
    with Api(options) as api:
        output.show_bill(options, api.get(f"images/{_whole(api, image_id)}/bill")["bill"])


@image.command("cancel")
@click.argument("image_id")
@common_options
def cancel(options: Options, image_id: str) -> None:
    """End the packaging of an image."""
    with Api(options) as api:
        found = api.call("POST", f"images/{_whole(api, image_id)}/cancel").document
    output.show(options, found, f"{found['image_id'][:SHOWN_ID]} is being canceled.")


@image.command("delete")
@click.argument("image_id")
@common_options
def delete(options: Options, image_id: str) -> None:
    """Forget an image; its files go with the next collection."""
    with Api(options) as api:
        whole = _whole(api, image_id)
        api.call("DELETE", f"images/{whole}")
    output.show(options, {"image_id": whole}, f"{whole[:SHOWN_ID]} is deleted.")


def _whole(api: Api, image_id: str) -> str:
    if len(image_id) == 64:
        return segment(image_id)
    found = [one["image_id"] for one in api.pages("images")["items"] if one["image_id"].startswith(image_id)]
    if len(found) != 1:
        why = "several images begin" if found else "no image begins"
        raise CliError(f"{why} with {image_id!r}", ExitCode.NOT_FOUND, remedy="`slipway image list` shows all")
    return str(found[0])


def describe(one: dict[str, Any]) -> str:
    """An image for people; what it does not have is left out."""
    failed = one["phase"] == "Failed"
    return output.fields(
        [
            ("image", one["image_id"]),
            ("phase", one["phase"]),
            ("model", one["model"]),
            ("environment", one["environment"]),
            ("platforms", ", ".join(one["platforms"])),
            ("base image", one["base_image"]),
            ("entry script", one["entry_script"]),
            ("reference", one["location"]),
            ("digest", one["digest"]),
            ("size", output.size(one["size_bytes"]) if one["size_bytes"] else None),
            ("unused", one["unused"] and f"since {output.moment(one['unused_since'])}: {one['unused']}"),
            ("conditions", [f"{c['type']}={c['status']}  {c['reason']}  {c['message']}" for c in one["conditions"]]),
            ("log", one["log_tail"] if failed else None),
            ("created", f"{output.moment(one['created_at'])} by {one['created_by']}"),
        ]
    )
