"""GitHub's deliveries (GitHub, "Webhook events and payloads")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shared.errors import BadRequest
from shared.webhooks.delivery import Delivery, PullRequest
from shared.webhooks.payload import Payload, branch_ref, normalised_url


def parse(headers: Mapping[str, str], payload: Payload, size_bytes: int) -> Delivery:
    """The delivery; its event is in X-GitHub-Event, its id in X-GitHub-Delivery. Raises BadRequest."""
    event, delivery_id = headers.get("x-github-event", ""), headers.get("x-github-delivery", "")
    if not event or not delivery_id:
        raise BadRequest("X-GitHub-Event or X-GitHub-Delivery is missing")
    clone_url = payload.text_or_none("repository", "clone_url")
    urls = (normalised_url(clone_url),) if clone_url else ()
    if event in ("push", "pull_request", "release", "workflow_run") and not urls:
        raise BadRequest("/repository/clone_url of the delivery is not a text")
    sender = payload.text_or_none("sender", "login")
    delivery = Delivery("github", delivery_id, event, size_bytes, urls, sender=sender)
    if event == "ping":
        return delivery
    if event == "push":
        return replace(
            delivery,
            ref=payload.text("ref"),
            before=payload.commit("before"),
            after=payload.commit("after"),
            deleted=payload.optional("deleted") is True,
            forced=payload.optional("forced") is True,
        )
    if not (found := _ACTED.get(event)):
        return Delivery("github", delivery_id, "ignored", size_bytes, urls, reason="this GitHub event is not used")
    return replace(delivery, action=payload.text_or_none("action"), **found(payload))


def _pull_request(payload: Payload) -> dict[str, Any]:
    request = PullRequest(
        payload.number("number"),
        payload.head("pull_request", "head", "sha"),
        branch_ref(payload.text("pull_request", "head", "ref")),
        branch_ref(payload.text("pull_request", "base", "ref")),
    )
    return {"pull_request": request}


def _release(payload: Payload) -> dict[str, Any]:
    return {"tag": payload.text("release", "tag_name")}


def _workflow_run(payload: Payload) -> dict[str, Any]:
    conclusion = payload.text_or_none("workflow_run", "conclusion")
    return {"after": payload.head("workflow_run", "head_sha"), "conclusion": conclusion}


_ACTED = {"pull_request": _pull_request, "release": _release, "workflow_run": _workflow_run}  # with what each tells
