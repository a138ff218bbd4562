"""What Azure Storage Queues accept (Put, Get and Update Message); both adapters of WorkQueue check it the same way."""

from __future__ import annotations

import re

from shared.errors import Invalid, TooLarge

MAX_BODY_BYTES = 48 * 1024  # base64 makes 64 KiB of it, the service's limit
MAX_DELAY_S = 7 * 24 * 3600
TIME_TO_LIVE_S = 7 * 24 * 3600  # counted from when the message is first visible
MAX_MESSAGES = 32
_NAME = re.compile(r"[a-z0-9](?:-?[a-z0-9]){2,62}\Z")


def check_name(name: str) -> str:
    """The name. Raises Invalid when it breaks the rule for queue names ("Naming queues and metadata")."""
    if not _NAME.match(name) or len(name) > 63:
        raise Invalid(
            f"{name!r} is not a queue's name: 3 to 63 lower-case letters, digits and single hyphens are allowed"
        )
    return name


def check_message(body: str, delay_s: float) -> bytes:
    """The body in UTF-8. Raises TooLarge above 48 KiB, Invalid for a delay outside 0 s to 7 days or text without a
    UTF-8 form."""
    if not 0 <= delay_s <= MAX_DELAY_S:
        raise Invalid(f"a delay of {delay_s} s is not possible: 0 to {MAX_DELAY_S} s (7 days) are allowed")
    try:
        data = body.encode()
    except UnicodeEncodeError as error:
        raise Invalid(f"the message is not Unicode text: {error.reason} at {error.start}") from error
    if len(data) > MAX_BODY_BYTES:
        raise TooLarge(f"a message of {len(data)} bytes is too large: {MAX_BODY_BYTES} bytes are allowed")
    return data


def check_receive(max_messages: int, visibility_timeout_s: float) -> None:
    """Raises Invalid unless 1 to 32 messages and 1 s to 7 days are asked for."""
    if not 1 <= max_messages <= MAX_MESSAGES:
        raise Invalid(f"{max_messages} messages at once are not possible: 1 to {MAX_MESSAGES} are allowed")
    check_visibility_timeout(visibility_timeout_s, minimum_s=1)


def check_visibility_timeout(visibility_timeout_s: float, *, minimum_s: float = 0) -> None:
    """Raises Invalid unless it lies between minimum_s and 7 days."""
    if not minimum_s <= visibility_timeout_s <= MAX_DELAY_S:
        raise Invalid(
            f"a visibility timeout of {visibility_timeout_s} s is not possible: "
            f"{minimum_s} to {MAX_DELAY_S} s (7 days) are allowed"
        )
