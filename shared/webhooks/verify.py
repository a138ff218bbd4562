"""A delivery is verified first and read only then."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from shared.errors import BadRequest, TooLarge, Unauthorized
from shared.webhooks import azure_devops, generic, github, gitlab, signatures
from shared.webhooks.delivery import Delivery, Provider
from shared.webhooks.payload import Payload

MAX_BODY_BYTES = 5 * 1024 * 1024  # GitHub sends at most 25 MiB; a push larger than this is read from git anyway


def verify_and_parse(
    provider: Provider,
    headers: Mapping[str, str],
    body: bytes,
    secrets: tuple[str, ...],
    now: datetime,
    *,
    tolerance_s: float = 300,
) -> Delivery:
    """The delivery, once it is known to be genuine. `headers` have lower-case names; any one of `secrets` will do.

    An event that Slipway does not use comes out as `ignored` with a reason. Raises TooLarge, Unauthorized (unsigned,
    wrongly signed, stale, or no secret is configured) and BadRequest; whether it is a replay, the caller decides."""
    if len(body) > MAX_BODY_BYTES:
        raise TooLarge(f"the delivery has {len(body)} bytes, at most {MAX_BODY_BYTES} are accepted")
    if not any(secrets):
        raise Unauthorized("no secret is configured for this webhook", remedy="set SLIPWAY_GIT_SECRET_<NAME>")
    secrets = tuple(secret for secret in secrets if secret)
    match provider:
        case "github":
            signatures.check_github(headers, body, secrets)
        case "gitlab":
            signatures.check_gitlab(headers, body, secrets, now, tolerance_s)
        case "azure-devops":
            signatures.check_basic(headers, secrets)
        case "generic":
            signatures.check_standard(headers, body, secrets, now, tolerance_s)
        case _:
            raise BadRequest(f"no such provider: {provider!r} (allowed: github, gitlab, azure-devops, generic)")
    return _parse(provider, headers, body)


def _parse(provider: Provider, headers: Mapping[str, str], body: bytes) -> Delivery:
    parsers = {
        "github": github.parse, "gitlab": gitlab.parse, "azure-devops": azure_devops.parse, "generic": generic.parse,
    }  # fmt: skip
    return parsers[provider](headers, Payload.read(body), len(body))
