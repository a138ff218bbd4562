"""Who may call an endpoint: what the control plane gives, and what the router takes of it."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from shared.deployments.credentials import TOKEN_S, access_of, current, token_of
from shared.resources.endpoint_credentials import EndpointCredentials
from shared.resources.endpoint_status import OnlineEndpointStatus
from shared.router.access import OPEN, Access, challenge, fault_of
from shared.router.config import ConfigError, parse_config

NOW = datetime.now(UTC)
KEPT = current(None, NOW, OnlineEndpointStatus())


def access(mode: str, endpoint: str = "live", kept: EndpointCredentials = KEPT) -> Access:
    """As it comes through the router's file."""
    made = access_of(endpoint, mode, kept)
    said: dict[str, object] = {"mode": mode, "key_sha256": list(made.key_sha256)}
    if mode == "aml_token":
        said = {"mode": mode, "token_secret": made.token_secret, "audience": made.audience}
    return parse_config({"deployments": {}, "access": said}).access


def fault(one: Access, shown: str, now: datetime = NOW) -> str | None:
    return fault_of(one, shown.encode(), now.timestamp())


def test_both_keys_open_and_nothing_else_does() -> None:
    asked = access("key")
    assert fault(asked, f"Bearer {KEPT.primary_key}") is None
    assert fault(asked, f"bearer  {KEPT.secondary_key}") is None
    for wrong in ("x", KEPT.primary_key[:-1], KEPT.token_secret, token_of("live", KEPT, NOW).access_token):
        assert fault(asked, f"Bearer {wrong}") == "the key is not this endpoint's"
    for nothing in ("", "Bearer", "Bearer ", f"Basic {KEPT.primary_key}", KEPT.primary_key):
        assert fault(asked, nothing) == ""
    assert fault(OPEN, "") is None


def test_a_token_opens_until_it_expires() -> None:
    asked, token = access("aml_token"), token_of("live", KEPT, NOW)
    assert (token.expiry_time_utc - int(NOW.timestamp()), token.refresh_after_time_utc < token.expiry_time_utc) == (
        TOKEN_S,
        True,
    )
    assert fault(asked, f"Bearer {token.access_token}") is None
    assert fault(asked, f"Bearer {token.access_token}", NOW + timedelta(seconds=TOKEN_S - 2)) is None
    later = NOW + timedelta(seconds=TOKEN_S + 1)
    assert fault(asked, f"Bearer {token.access_token}", later) == "the token has expired"


def test_tokens_of_others_and_forged_ones_do_not_open() -> None:
    asked = access("aml_token")
    other = current(None, NOW, OnlineEndpointStatus())
    head, claims, signature = token_of("live", KEPT, NOW).access_token.split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    longer = {"aud": "slipway:endpoint:live", "exp": time.time() + 1e9}
    forged = base64.urlsafe_b64encode(json.dumps(longer).encode()).rstrip(b"=").decode()
    for wrong in (
        token_of("live", other, NOW).access_token,
        token_of("another", KEPT, NOW).access_token,
        f"{head}.{forged}.{signature}",
        f"{none}.{claims}.",
        f"{none}.{claims}.{signature}",
        f"{head}.{claims}",
        "..",
        "\xff.\xff.\xff",
        KEPT.primary_key,
    ):
        assert fault(asked, f"Bearer {wrong}") == "the token is not this endpoint's", wrong


def test_the_challenge_says_why_only_to_who_showed_something() -> None:
    assert challenge("") == b'WWW-Authenticate: Bearer realm="scoring"\r\n'
    assert b'error="invalid_token", error_description="the token has expired"' in challenge("the token has expired")


@pytest.mark.parametrize(
    "said",
    [
        {},
        "key",
        {"mode": "key"},
        {"mode": "key", "key_sha256": ["hidden"]},
        {"mode": "key", "key_sha256": "hidden"},
        {"mode": "none"},
        {"mode": "aml_token", "token_secret": "hidden", "audience": "live"},
        {"mode": "aml_token", "token_secret": None, "audience": "live"},
    ],
)
def test_an_access_that_is_wrong_opens_nothing_and_is_not_repeated(said: object) -> None:
    with pytest.raises(ConfigError) as error:
        parse_config({"deployments": {}, "access": said})
    assert "/access" in str(error.value)
    assert "hidden" not in str(error.value)


def test_a_new_generation_is_a_new_key_and_a_new_endpoint_has_new_ones() -> None:
    again = current(KEPT, NOW, OnlineEndpointStatus(secondary_key_generation=2))
    assert (again.primary_key, again.token_secret) == (KEPT.primary_key, KEPT.token_secret)
    assert again.secondary_key != KEPT.secondary_key
    assert current(again, NOW, OnlineEndpointStatus(secondary_key_generation=2)) == again
    assert current(again, NOW, OnlineEndpointStatus()) == again  # a look that is late takes nothing back
    assert current(again, NOW + timedelta(seconds=1), OnlineEndpointStatus()).primary_key != again.primary_key
    assert KEPT.primary_key not in repr(KEPT)
    assert KEPT.token_secret not in repr(access_of("live", "aml_token", KEPT))
