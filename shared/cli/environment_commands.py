"""`slipway environment`: versions, their locks, builds and logs."""

from __future__ import annotations

from typing import Any

import click

from shared.cli import output
from shared.cli.api import Api, segment
from shared.cli.errors import CliError, ExitCode
from shared.cli.options import Options, common_options
from shared.cli.waiting import end, finished

SHOWN_IDENTITY = 12


@click.group("environment")
def environment() -> None:
    """Environments: locked, built once, used for training, scoring and images."""


@environment.command("list")
@click.argument("name", required=False)
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many.")
@common_options
def list_(options: Options, name: str | None, limit: int) -> None:
    """List versions of environments, newest first."""
    with Api(options) as api:
        page = api.pages(f"environments/{segment(name)}/versions" if name else "environments", limit=limit)
    output.show(options, page, _table(page))


@environment.command("outdated")
@common_options
def outdated(options: Options) -> None:
    """List the versions that should be built again, because what they rest on has changed. Registries are asked."""
    with Api(options) as api:
        found = api.call("POST", "environments/outdated").document
    rows = [(_name(one), one["phase"], one["outdated"]) for one in found["items"]]
    text = output.table(("ENVIRONMENT", "PHASE", "WHY"), rows, empty="Nothing is outdated.")
    unknown = [f"not known of {one['image']}: {one['reason']}" for one in found["unresolved"]]
    output.show(options, found, "\n".join([text, *unknown]))


@environment.command("show")
@click.argument("reference", metavar="NAME[:VERSION]")
@click.option("--wait", is_flag=True, help="Wait until it is built.")
@common_options
def show(options: Options, reference: str, wait: bool) -> None:
    """Show one version, the latest when none is named: its lock, its build, who uses it."""
    with Api(options) as api:
        if wait:
            end(options, _finished(api, reference), describe)
            return
        found = api.get(environment_path(reference))
    output.show(options, found, describe(found))


@environment.command("lock")
@click.argument("reference", metavar="NAME[:VERSION]")
@common_options
def lock(options: Options, reference: str) -> None:
    """Print the locked requirements with hashes, as pip and uv read them."""
    _print_text(options, reference, "lock")


@environment.command("logs")
@click.argument("reference", metavar="NAME[:VERSION]")
@common_options
def logs(options: Options, reference: str) -> None:
    """Print what the builder printed."""
    _print_text(options, reference, "log")


@environment.command("bill")
@click.argument("reference", metavar="NAME[:VERSION]")
@common_options
def bill(options: Options, reference: str) -> None:
    """Print the software bill of materials, CycloneDX JSON."""
    with Api(options) as api:
        output.show_bill(options, api.get(f"{environment_path(reference)}/bill")["bill"])


def _print_text(options: Options, reference: str, which: str) -> None:
    with Api(options) as api:
        found = api.get(f"{environment_path(reference)}/{which}")
    output.show(options, found, found["text"].rstrip("\n"))


@environment.command("diff")
@click.argument("reference", metavar="NAME[:VERSION]")
@click.option("--from", "before", metavar="VERSION", help="The version to compare with [the one its pins come from].")
@common_options
def diff(options: Options, reference: str, before: str | None) -> None:
    """Show how the lock of a version differs from that of another one, package by package."""
    with Api(options) as api:
        found = api.get(f"{environment_path(reference)}/diff", {"from": before} if before else None)
    rows = [(one["name"], one["before"] or "-", one["after"] or "-") for one in found["packages"]]
    same = "They are the same environment." if found["is_same"] else "Their packages are the same."
    output.show(options, found, output.table(("PACKAGE", found["before"], found["after"]), rows, empty=same))


@environment.command("upgrade")
@click.argument("name")
@common_options
def upgrade(options: Options, name: str) -> None:
    """Register a new version of the same definition with the newest packages that fit, and wait for its build."""
    _asked(options, f"environments/{segment(name)}/upgrade")


@environment.command("build")
@click.argument("reference", metavar="NAME[:VERSION]")
@common_options
def build(options: Options, reference: str) -> None:
    """Build a version again, from the lock it has, and wait for it."""
    _asked(options, f"{environment_path(reference)}/build")


def _asked(options: Options, path: str) -> None:
    """Ask for a build, wait for it, and end as it ended."""
    with Api(options) as api:
        end(options, _finished(api, _name(api.call("POST", path).document)), describe)


@environment.command("cancel")
@click.argument("reference", metavar="NAME[:VERSION]")
@common_options
def cancel(options: Options, reference: str) -> None:
    """End the build of a version, and of every other one that is the same environment."""
    with Api(options) as api:
        found = api.call("POST", f"{environment_path(reference)}/cancel").document
    output.show(options, found, f"{_name(found)} is being canceled.")


def finished_environment(api: Api, reference: str) -> dict[str, Any]:
    """The version when it can be used. Raises CliError when it cannot be built, or not within the time."""
    found = _finished(api, reference)
    if found["phase"] != "Succeeded":
        why = "; ".join(c["message"] for c in found["conditions"])
        raise CliError(f"the environment {_name(found)} is {found['phase']}: {why}", ExitCode.REFUSED)
    return found


def _finished(api: Api, reference: str) -> dict[str, Any]:
    return finished(api, environment_path(reference), reference)


def _reference(text: str) -> tuple[str, str]:
    name, _, version = text.removeprefix("azureml:").replace("@", ":").partition(":")
    return name, version or "latest"


def environment_path(reference: str) -> str:
    """The REST path of NAME[:VERSION], below /api/."""
    name, version = _reference(reference)
    return f"environments/{segment(name)}/versions/{segment(version)}"


def _name(one: dict[str, Any]) -> str:
    return f"{one['name']}:{one['version']}"


def _table(page: dict[str, Any]) -> str:
    rows = [
        (
            _name(one),
            one["phase"],
            one["identity"][:SHOWN_IDENTITY],
            len(one["packages"]),
            "yes" if one["outdated"] else "",
            output.moment(one["created_at"]),
        )
        for one in page["items"]
    ]
    headings = ("ENVIRONMENT", "PHASE", "IDENTITY", "PACKAGES", "OUTDATED", "CREATED")
    return output.table(headings, rows, empty="There are no environments.")


def describe(one: dict[str, Any]) -> str:
    """A version for people; what it does not have is left out."""
    made = one["build"] or {}
    failed = one["phase"] == "Failed"
    return output.fields(
        [
            ("environment", _name(one)),
            ("phase", one["phase"]),
            ("archived", "yes, hidden from lists" if one["archived"] else None),
            ("outdated", one["outdated"]),
            ("description", one["description"]),
            ("tags", one["tags"]),
            ("identity", one["identity"]),
            (
                "locked from",
                one["locked_from"] and f"version {one['locked_from']}, whose pins were kept where they fit",
            ),
            ("packages", one["packages"]),
            ("base image", one["base_image"]),
            ("base digest", one["base_digest"]),
            ("location", one["location"]),
            ("size", output.size(made["size_bytes"]) if made.get("size_bytes") else None),
            ("conditions", [f"{c['type']}={c['status']}  {c['reason']}  {c['message']}" for c in one["conditions"]]),
            ("log", made.get("log_tail") if failed else None),
            ("used by", one["users"]),
            ("created", f"{output.moment(one['created_at'])} by {one['created_by']}"),
        ]
    )
