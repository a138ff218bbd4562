"""GitHub's deliveries (GitHub, "Webhook events and payloads")."""

from __future__ import annotations

from collections.abc import Mapping

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
    action = payload.text_or_none("action")
    match event:
        case "push":
            return Delivery(
                "github", delivery_id, event, size_bytes, urls, payload.text("ref"), payload.commit("before"),
                payload.commit("after"), sender, payload.optional("deleted") is True,
                payload.optional("forced") is True,
            )  # fmt: skip
        case "ping":
            return Delivery("github", delivery_id, event, size_bytes, urls, sender=sender)
        case "pull_request":
            request = PullRequest(
                payload.number("number"),
                payload.head("pull_request", "head", "sha"),
                branch_ref(payload.text("pull_request", "head", "ref")),
                branch_ref(payload.text("pull_request", "base", "ref")),
            )
            return Delivery(
                "github", delivery_id, event, size_bytes, urls, sender=sender, pull_request=request, action=action
            )
        case "release":
            tag = payload.text("release", "tag_name")
            return Delivery("github", delivery_id, event, size_bytes, urls, sender=sender, action=action, tag=tag)
        case "workflow_run":
            after = payload.head("workflow_run", "head_sha")
            conclusion = payload.text_or_none("workflow_run", "conclusion")
            return Delivery(
                "github", delivery_id, event, size_bytes, urls, after=after, sender=sender, action=action,
                conclusion=conclusion,
            )  # fmt: skip
    return Delivery("github", delivery_id, "ignored", size_bytes, urls, reason="this GitHub event is not used")
