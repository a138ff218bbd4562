"""Deliveries of git hosts: whether they are genuine and what they say. Pure: no I/O, no clock."""

from shared.webhooks.delivery import Delivery, Provider, PullRequest
from shared.webhooks.verify import verify_and_parse

__all__ = ["Delivery", "Provider", "PullRequest", "verify_and_parse"]
