"""GitLab's deliveries (GitLab, "Webhook events")."""

from __future__ import annotations

from collections.abc import Mapping

from shared.errors import BadRequest
from shared.webhooks.delivery import Delivery, PullRequest
from shared.webhooks.payload import Payload, branch_ref, normalised_url

_PUSHES = ("Push Hook", "Tag Push Hook")


def parse(headers: Mapping[str, str], payload: Payload, size_bytes: int) -> Delivery:
    """The delivery; its id is the first of `names` that was sent. Raises BadRequest."""
    names = ("webhook-id", "idempotency-key", "x-gitlab-event-uuid")  # the first two stay the same in a retry
    delivery_id = next((headers[name] for name in names if headers.get(name)), "")
    event = headers.get("x-gitlab-event", "")
    if not event or not delivery_id:
        raise BadRequest("X-Gitlab-Event, or Idempotency-Key and X-Gitlab-Event-UUID, are missing")
    if event not in (*_PUSHES, "Merge Request Hook"):
        return Delivery("gitlab", delivery_id, "ignored", size_bytes, reason="this GitLab event is not used")
    urls = (normalised_url(payload.text("project", "git_http_url")),)
    if event in _PUSHES:
        after = payload.commit("after")
        return Delivery(
            "gitlab", delivery_id, "push", size_bytes, urls, payload.text("ref"), payload.commit("before"), after,
            payload.text_or_none("user_username"), deleted=after is None,
        )  # fmt: skip
    request = PullRequest(
        payload.number("object_attributes", "iid"),
        payload.head("object_attributes", "last_commit", "id"),
        branch_ref(payload.text("object_attributes", "source_branch")),
        branch_ref(payload.text("object_attributes", "target_branch")),
    )
    return Delivery(
        "gitlab", delivery_id, "pull_request", size_bytes, urls, sender=payload.text_or_none("user", "username"),
        pull_request=request, action=payload.text_or_none("object_attributes", "action"),
    )  # fmt: skip
