"""Azure DevOps service hooks (Microsoft, "Service hooks events": git.push, git.pullrequest.*)."""

from __future__ import annotations

from collections.abc import Mapping

from shared.errors import BadRequest
from shared.webhooks.delivery import Delivery, PullRequest
from shared.webhooks.payload import Payload, normalised_url


def parse(headers: Mapping[str, str], payload: Payload, size_bytes: int) -> Delivery:
    """The delivery; its id is the body's. Raises BadRequest, also when the publisher is not `tfs`."""
    delivery_id, event = payload.text("id"), payload.text("eventType")
    if payload.text("publisherId") != "tfs":
        raise BadRequest("/publisherId of the delivery is not tfs")
    if event != "git.push" and not event.startswith("git.pullrequest."):
        return Delivery("azure-devops", delivery_id, "ignored", size_bytes, reason="this service hook is not used")
    urls = (normalised_url(payload.text("resource", "repository", "remoteUrl")),)
    if event == "git.push":
        return _push(delivery_id, payload, size_bytes, urls)
    request = PullRequest(
        payload.number("resource", "pullRequestId"),
        payload.head("resource", "lastMergeSourceCommit", "commitId"),
        payload.text("resource", "sourceRefName"),
        payload.text("resource", "targetRefName"),
    )
    return Delivery(
        "azure-devops", delivery_id, "pull_request", size_bytes, urls, pull_request=request,
        sender=payload.text_or_none("resource", "createdBy", "uniqueName"), action=event.rpartition(".")[2],
    )  # fmt: skip


def _push(delivery_id: str, payload: Payload, size_bytes: int, urls: tuple[str, ...]) -> Delivery:
    updates = payload.optional("resource", "refUpdates")
    if not isinstance(updates, list) or len(updates) != 1 or not isinstance(updates[0], dict):
        raise BadRequest("/resource/refUpdates of the delivery is not a list of one update")
    update = Payload(updates[0])
    after = update.commit("newObjectId")
    return Delivery(
        "azure-devops", delivery_id, "push", size_bytes, urls, update.text("name"), update.commit("oldObjectId"), after,
        payload.text_or_none("resource", "pushedBy", "uniqueName"), deleted=after is None,
    )  # fmt: skip
