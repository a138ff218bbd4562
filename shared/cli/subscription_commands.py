"""`slipway subscription`: add, list, delete."""

from __future__ import annotations

import json
import os
from typing import Any

import click

from shared.cli import output
from shared.cli.api import Api, segment
from shared.cli.options import Options, common_options

SCHEMAS = {"eventgrid": "EventGridSchema", "cloudevents": "CloudEventSchemaV1_0"}


@click.group("subscription")
def subscription() -> None:
    """Have events delivered to webhooks."""


@subscription.command("add")
@click.argument("name")
@click.argument("endpoint_url", metavar="URL")
@click.option("--event-type", "event_types", multiple=True, help="Only of this type; repeatable [all].")
@click.option("--subject-begins-with", default="", help="Only of subjects that begin so.")
@click.option("--subject-ends-with", default="", help="Only of subjects that end so.")
@click.option("--subject-case-sensitive", is_flag=True, help="Compare subjects with regard to case.")
@click.option("--advanced-filter", "filters", multiple=True, metavar="JSON", help="Event Grid's form; repeatable.")
@click.option("--schema", type=click.Choice(list(SCHEMAS)), default="eventgrid", show_default=True)
@click.option("--signing-secret-env", metavar="VARIABLE", help="Sign deliveries with the whsec_... secret in it.")
@click.option("--max-delivery-attempts", type=click.IntRange(1, 30), help="Then it is dead-lettered [30].")
@click.option("--event-ttl-min", type=click.IntRange(1, 1440), help="Minutes until it is dead-lettered [1440].")
@common_options
def add(
    options: Options,
    name: str,
    endpoint_url: str,
    event_types: tuple[str, ...],
    subject_begins_with: str,
    subject_ends_with: str,
    subject_case_sensitive: bool,
    filters: tuple[str, ...],
    schema: str,
    signing_secret_env: str | None,
    max_delivery_attempts: int | None,
    event_ttl_min: int | None,
) -> None:
    """Deliver events to the webhook at URL, which has to answer Event Grid's validation handshake.

    Replaces the subscription NAME when there is one. An advanced filter is e.g.
    {"operatorType": "StringIn", "key": "data.modelName", "values": ["diabetes"]}
    """
    body = {
        "endpoint_url": endpoint_url,
        "included_event_types": list(event_types),
        "subject_begins_with": subject_begins_with,
        "subject_ends_with": subject_ends_with,
        "is_subject_case_sensitive": subject_case_sensitive,
        "advanced_filters": _filters(filters),
        "event_delivery_schema": SCHEMAS[schema],
        "max_delivery_attempts": max_delivery_attempts,
        "event_time_to_live_min": event_ttl_min,
        "signing_secret": _secret(signing_secret_env),
    }
    given = {key: value for key, value in body.items() if value is not None}
    with Api(options) as api:
        made = api.call("PUT", f"subscriptions/{segment(name)}", body=given).document
    output.show(options, made, _describe(made))


def _filters(texts: tuple[str, ...]) -> list[dict[str, Any]]:
    filters: list[dict[str, Any]] = []
    for text in texts:
        try:
            value = json.loads(text)
        except ValueError as error:
            raise click.UsageError(f"--advanced-filter is not JSON: {error}") from error
        filters += value if isinstance(value, list) else [value]
    if not all(isinstance(each, dict) for each in filters):
        raise click.UsageError('--advanced-filter must be {"operatorType": ..., "key": ..., ...} or a list of such')
    return filters


def _secret(variable: str | None) -> str | None:
    if variable is None:
        return None
    secret = os.environ.get(variable)
    if not secret:
        raise click.UsageError(f"--signing-secret-env names {variable}, which is not set in the environment")
    return secret


def _describe(found: dict[str, Any]) -> str:
    """A subscription for people."""
    filters = [json.dumps(each) for each in found.get("advanced_filters", [])]
    pairs = [
        *((name, found.get(name)) for name in ("name", "endpoint_url", "state", "state_reason")),
        ("event types", found.get("included_event_types") or "all"),
        ("subject begins with", found.get("subject_begins_with")),
        ("subject ends with", found.get("subject_ends_with")),
        ("advanced filters", filters),
        ("schema", found.get("event_delivery_schema")),
    ]
    return output.fields(pairs)


@subscription.command("list")
@common_options
def list_subscriptions(options: Options) -> None:
    """List the subscriptions, by name."""
    with Api(options) as api:
        page = api.get("subscriptions")
    rows = [
        (s["name"], s["endpoint_url"], s["state"], ", ".join(s["included_event_types"]) or "all", s["state_reason"])
        for s in page["items"]
    ]
    headings = ("NAME", "ENDPOINT", "STATE", "EVENT TYPES", "REASON")
    output.show(options, page, output.table(headings, rows, empty="There are no subscriptions."))


@subscription.command("delete")
@click.argument("name")
@common_options
def delete(options: Options, name: str) -> None:
    """Stop delivering to a subscription; what is still owed to it is dropped."""
    with Api(options) as api:
        api.call("DELETE", f"subscriptions/{segment(name)}")
    output.show(options, {}, f"Deleted the subscription {name}")
