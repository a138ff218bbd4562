"""`slipway endpoint` and `slipway rollout`: endpoints, live traffic, controlled rollouts."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from shared.cli import output
from shared.cli.api import Api, segment
from shared.cli.errors import CliError, ExitCode
from shared.cli.options import Options, common_options

POLL_S = 0.3


@click.group("endpoint")
def endpoint() -> None:
    """Online endpoints and their deployments; `slipway apply` declares them."""


@endpoint.command("list")
@common_options
def list_(options: Options) -> None:
    """List endpoints."""
    with Api(options) as api:
        page = api.pages("endpoints")
    rows = [
        (one["name"], one["provisioning_state"], _shares(one["traffic"]), one["scoring_uri"]) for one in page["items"]
    ]
    headings = ("ENDPOINT", "STATE", "TRAFFIC", "SCORING URI")
    output.show(options, page, output.table(headings, rows, empty="There are no endpoints."))


@endpoint.command("show")
@click.argument("name")
@click.option("--wait", is_flag=True, help="Wait until every deployment is ready, or has failed.")
@common_options
def show(options: Options, name: str, wait: bool) -> None:
    """Show an endpoint with its deployments: state, health, share of the traffic."""
    with Api(options) as api:
        found = _settled(api, name) if wait else api.get(f"endpoints/{segment(name)}")
    output.show(options, found, describe(found))
    if wait and any(one["provisioning_state"] == "Failed" for one in found["deployments"]):
        raise click.exceptions.Exit(int(ExitCode.REFUSED))


@endpoint.command("traffic")
@click.argument("name")
@click.argument("shares", nargs=-1, required=True, metavar="DEPLOYMENT=PERCENT...")
@common_options
def traffic(options: Options, name: str, shares: tuple[str, ...]) -> None:
    """Set the shares of some deployments; those not named keep theirs, and all sum up to 100, or 0."""
    _patch(options, name, {"traffic": _percents(shares)})


@endpoint.command("mirror")
@click.argument("name")
@click.argument("share", metavar="DEPLOYMENT=PERCENT")
@common_options
def mirror(options: Options, name: str, share: str) -> None:
    """Copy a share of the requests to a deployment without traffic of its own; 0 ends it."""
    _patch(options, name, {"mirror_traffic": _percents((share,))})


@endpoint.command("rollback")
@click.argument("name")
@common_options
def rollback(options: Options, name: str) -> None:
    """Give the traffic back to what had it before the newest change; a rollout that is under way is aborted."""
    with Api(options) as api:
        found = api.call("POST", f"endpoints/{segment(name)}/rollback").document
    output.show(options, found, describe(found))


@endpoint.command("invoke")
@click.argument("name")
@click.option("-f", "--file", "path", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--deployment", help="This one, whatever its share.")
@common_options
def invoke(options: Options, name: str, path: Path, deployment: str | None) -> None:
    """Send a request and print the answer."""
    import httpx

    with Api(options) as api:
        found = api.get(f"endpoints/{segment(name)}")
        if not found["scoring_uri"]:
            raise CliError(f"{name} takes no requests yet: it is {found['provisioning_state']}", ExitCode.UNAVAILABLE)
        headers = {"Content-Type": "application/json"}
        headers |= {"azureml-model-deployment": deployment} if deployment else {}
        headers["Authorization"] = f"Bearer {_credential(api, name)}"
        try:
            answer = httpx.post(found["scoring_uri"], content=path.read_bytes(), headers=headers, timeout=api.timeout_s)
        except httpx.HTTPError as error:
            raise CliError(f"{found['scoring_uri']}: {type(error).__name__}", ExitCode.UNAVAILABLE) from error
    click.echo(answer.text)
    if answer.is_error:
        raise CliError(f"{name} answered with {answer.status_code}", ExitCode.FAILURE)


@endpoint.command("get-credentials")
@click.argument("name")
@common_options
def get_credentials(options: Options, name: str) -> None:
    """Print the keys that open an endpoint, or a token for it: sent as `Authorization: Bearer`."""
    with Api(options) as api:
        found = api.call("POST", f"endpoints/{segment(name)}/credentials").document
    shown = {key: value for key, value in found.items() if value is not None}
    output.show(options, shown, output.fields(list(shown.items())))


@endpoint.command("regenerate-keys")
@click.argument("name")
@click.option(
    "--key-type", type=click.Choice(["primary", "secondary"]), default="primary", show_default=True, help="Which one."
)
@common_options
def regenerate_keys(options: Options, name: str, key_type: str) -> None:
    """Make one of an endpoint's two keys anew; callers go on with the other."""
    with Api(options) as api:
        api.call("POST", f"endpoints/{segment(name)}/regenerate-key", body={"key_type": key_type})
    output.show(options, {"name": name, "key_type": key_type}, f"The {key_type} key of {name} is a new one.")


@endpoint.command("logs")
@click.argument("name")
@click.argument("deployment")
@common_options
def logs(options: Options, name: str, deployment: str) -> None:
    """Print the last lines of a deployment's instances."""
    with Api(options) as api:
        found = api.get(f"endpoints/{segment(name)}/deployments/{segment(deployment)}/logs")
    output.show(options, found, found["text"].rstrip("\n"))


def _credential(api: Api, name: str) -> str:
    found = api.call("POST", f"endpoints/{segment(name)}/credentials").document
    return str(found["primary_key"] or found["access_token"])


def _patch(options: Options, name: str, body: dict[str, Any]) -> None:
    with Api(options) as api:
        found = api.call("PATCH", f"endpoints/{segment(name)}/traffic", body=body).document
    output.show(options, found, describe(found))


def _percents(shares: tuple[str, ...]) -> dict[str, int]:
    found = {}
    for share in shares:
        name, equals, percent = share.partition("=")
        if not (name and equals and percent.isdecimal()):
            raise click.UsageError(f"{share!r} is not DEPLOYMENT=PERCENT")
        found[name] = int(percent)
    return found


def _settled(api: Api, name: str) -> dict[str, Any]:
    end = time.monotonic() + api.timeout_s
    while True:
        found: dict[str, Any] = api.get(f"endpoints/{segment(name)}")
        states = {one["provisioning_state"] for one in found["deployments"]}
        if found["provisioning_state"] in ("Succeeded", "Failed") and states <= {"Succeeded", "Failed"}:
            return found
        if time.monotonic() > end:
            raise CliError(f"{name} is still {found['provisioning_state']}", ExitCode.TIMED_OUT)
        time.sleep(POLL_S)


def describe(one: dict[str, Any]) -> str:
    """An endpoint for people: where it is, then a line a deployment, then why those that are not well are not."""
    head = output.fields(
        [
            ("endpoint", one["name"]),
            ("state", one["provisioning_state"]),
            ("scoring uri", one["scoring_uri"]),
            ("traffic", _shares(one["traffic"])),
            ("in effect", _shares(one["effective_traffic"]) if one["effective_traffic"] != one["traffic"] else None),
            ("mirrored", _shares(one["mirror_traffic"])),
        ]
    )
    rows = [
        (
            each["name"],
            each["provisioning_state"],
            _ready(each),
            f"{each['traffic']}%",
            each["model"],
            each["environment"],
        )
        for each in one["deployments"]
    ]
    headings = ("DEPLOYMENT", "STATE", "READY", "TRAFFIC", "MODEL", "ENVIRONMENT")
    lines = [head, output.table(headings, rows, empty="It has no deployments.")]
    for each in one["deployments"]:
        lines += [f"{each['name']}: {c['reason']}: {c['message']}" for c in each["conditions"] if c["status"] != "True"]
        if each["provisioning_state"] == "Failed":
            lines += [f"  {line}" for line in each["log_tail"]]
    return "\n".join(lines)


def _ready(one: dict[str, Any]) -> str:
    count = f"{one['ready_instances']}/{one['wanted_instances']}"
    return f"{count} (scaled to zero)" if one["scaled_to_zero"] else count


def _shares(traffic: dict[str, int]) -> str:
    return " ".join(f"{name}={percent}" for name, percent in sorted(traffic.items()))
