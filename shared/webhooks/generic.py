"""A push told by anything that signs by Standard Webhooks: {"repository", "ref", "after", "before"?}."""

from __future__ import annotations

from collections.abc import Mapping

from shared.webhooks.delivery import Delivery
from shared.webhooks.payload import Payload, normalised_url


def parse(headers: Mapping[str, str], payload: Payload, size_bytes: int) -> Delivery:
    """The push; its id is webhook-id, which was signed. Raises BadRequest."""
    after = payload.commit("after")
    before = payload.commit("before") if payload.optional("before") is not None else None
    return Delivery(
        "generic", headers["webhook-id"], "push", size_bytes, (normalised_url(payload.text("repository")),),
        payload.text("ref"), before, after, deleted=after is None,
    )  # fmt: skip
