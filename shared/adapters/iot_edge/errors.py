"""The one table from a hub's answers to Slipway's errors."""

from __future__ import annotations

import json
import re

from shared import errors

# IoT Hub service REST API, "IoT Hub error codes".
_BY_STATUS: dict[int, type[errors.SlipwayError]] = {
    400: errors.Invalid,
    401: errors.Unauthorized,
    403: errors.Unauthorized,
    404: errors.NotFound,
    408: errors.Retryable,
    409: errors.AlreadyExists,  # ConfigurationAlreadyExists: a PUT without If-Match
    412: errors.Retryable,  # it was changed since it was read; the next look reads it anew
    413: errors.TooLarge,
    429: errors.Retryable,
}
_REMEDIES = {
    401: "see the compute's `sas_policy` and the variable of `sas_key_env`, or the identity's role",
    403: "the policy needs registry read and write, or the identity the role `IoT Hub Data Contributor`",
}
_CODE = re.compile(r"ErrorCode:\s*([A-Za-z]{1,80})")
_QUOTA = frozenset({"IotHubQuotaExceeded", "QuotaExceeded"})  # of messages a day: 403
MAX_MESSAGE = 300


def error_of(status: int, body: bytes, what: str, secret: str) -> errors.SlipwayError:
    """The error for an answer: `what` says in a few words what was tried. What the hub says of a fault is passed on,
    but for `secret`, should it be repeated there. A page that is not the hub's is not."""
    code, message = _said(body, secret)
    reason = f"{what}: the hub answered {status}{f' {code}' if code else ''}"
    if status == 400 and message:
        reason += f": {message}"
    if status >= 500 or code in _QUOTA:
        return errors.Retryable(reason)
    return _BY_STATUS.get(status, errors.Permanent)(reason, remedy=_REMEDIES.get(status))


def _said(body: bytes, secret: str) -> tuple[str, str]:
    """The hub's code and message; "" for what is not there."""
    try:
        document = json.loads(body)
    except ValueError:
        return "", ""
    text = str(document.get("Message") or document.get("message") or "") if isinstance(document, dict) else ""
    if secret:
        text = text.replace(secret, "***")
    code = _CODE.search(text)
    return code[1] if code else "", "".join(char for char in text if char.isprintable())[:MAX_MESSAGE]
