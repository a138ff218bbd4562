"""How large an event may be."""

from __future__ import annotations

import json
from typing import Any

from shared.errors import TooLarge

# Microsoft Learn, "Event Grid quotas and limits": 1 MB for an event and for a request; some is left for the array.
MAX_REQUEST_BYTES = 1_000_000


def event_size_bytes(document: dict[str, Any]) -> int:
    """The size of an event in its wire form within an array: JSON in ASCII, a comma and a space. Raises TooLarge when
    no request could hold it."""
    size_bytes = len(json.dumps(document)) + 2
    if size_bytes > MAX_REQUEST_BYTES:
        message = f"event {document['id']} has {size_bytes} bytes, Event Grid takes at most {MAX_REQUEST_BYTES}"
        raise TooLarge(message, remedy="shorten the tags and properties of the resource")
    return size_bytes
