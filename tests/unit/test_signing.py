"""Signed URLs: what they open, and that nothing else does."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qsl

import pytest

from shared.adapters.local.clock import ManualClock
from shared.adapters.local.signing import UrlSigner
from shared.errors import Invalid, Unauthorized

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PATH = "/blobs/staging/größe a/b.onnx"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def signer(clock: ManualClock) -> UrlSigner:
    return UrlSigner("the key", clock)


def signed(signer: UrlSigner, **extra: str) -> list[tuple[str, str]]:
    return parse_qsl(signer.sign("PUT", PATH, signer.expiry(60), extra), keep_blank_values=True)


def test_what_was_signed_is_accepted_until_it_expires(signer: UrlSigner, clock: ManualClock) -> None:
    query = signed(signer, filename="a&b=c.onnx", empty="")
    clock.advance(59)
    assert signer.verify("PUT", PATH, query) == {"filename": "a&b=c.onnx", "empty": ""}
    clock.advance(1)
    with pytest.raises(Unauthorized, match="expired"):
        signer.verify("PUT", PATH, query)


def test_nothing_else_is_accepted(signer: UrlSigner, clock: ManualClock) -> None:
    query = signed(signer, filename="a")
    changed = [
        [(name, "9" * 12 if name == "expires" else value) for name, value in query],
        [(name, "b" if name == "filename" else value) for name, value in query],
        [(name, "é" * 64 if name == "signature" else value) for name, value in query],
        [(name, value) for name, value in query if name != "filename"],
        [(name, value) for name, value in query if name != "expires"],
        [(name, value) for name, value in query if name != "signature"],
        [*query, ("more", "x")],
        [*query, ("filename", "a")],
        [],
    ]
    for wrong in changed:
        with pytest.raises(Unauthorized):
            signer.verify("PUT", PATH, wrong)
    for method, path in (("GET", PATH), ("PUT", PATH + "x"), ("PUT", "/blobs/uploads/größe a/b.onnx")):
        with pytest.raises(Unauthorized):
            signer.verify(method, path, query)
    with pytest.raises(Unauthorized):
        UrlSigner("another key", clock).verify("PUT", PATH, query)


def test_parameters_of_single_requests_may_be_left_unsigned(signer: UrlSigner) -> None:
    query = [*signed(signer), ("comp", "block"), ("blockid", "MDE=")]
    with pytest.raises(Unauthorized):
        signer.verify("PUT", PATH, query)
    assert signer.verify("PUT", PATH, query, unsigned=frozenset({"comp", "blockid"})) == {}


def test_mistakes_in_signing_are_errors(signer: UrlSigner, clock: ManualClock) -> None:
    with pytest.raises(ValueError, match="reserved"):
        signer.sign("PUT", PATH, NOW, {"signature": "x"})
    with pytest.raises(ValueError, match="empty"):
        UrlSigner("", clock)
    with pytest.raises(Invalid, match="seconds"):
        signer.expiry(-1)
    assert "the key" not in repr(signer) + str(vars(signer).keys())
