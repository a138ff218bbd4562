"""Continuations of listings: opaque text that holds the sort key of a page's last item."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import TypeVar

from shared.adapters.sort_keys import KeyRange
from shared.errors import Invalid
from shared.ports import Page

Row = TypeVar("Row")
Item = TypeVar("Item")

FORM = 1  # changes when the sort keys do, so that old continuations are refused and not misread
MAX_LENGTH = 4096


def encode(sort_key: str) -> str:
    """The continuation after `sort_key`: base64url (RFC 4648, section 5) without padding."""
    text = json.dumps([FORM, sort_key], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def decode(continuation: str | None) -> str | None:
    """The sort key in a continuation, None for None. Raises Invalid for what `encode` did not make."""
    if continuation is None:
        return None
    try:
        if len(continuation) > MAX_LENGTH:
            raise ValueError("too long")
        padded = continuation.encode("ascii") + b"=" * (-len(continuation) % 4)
        form, sort_key = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if form != FORM or not isinstance(sort_key, str) or encode(sort_key) != continuation:
            raise ValueError("not of this form")
    except (ValueError, TypeError, RecursionError, binascii.Error) as error:
        raise Invalid("the continuation is not one this store made", remedy="start again without it") from error
    return sort_key


def rest_of(whole: KeyRange, continuation: str | None, *, descending: bool = False) -> KeyRange:
    """What is left of a listing. Raises Invalid for a continuation that is garbled or of another listing."""
    return whole.after(decode(continuation), descending=descending)


def page_of(rows: Sequence[Row], limit: int, item: Callable[[Row], Item], sort_key: Callable[[Row], str]) -> Page[Item]:
    """A page of at most `limit` of `rows`, which the caller read one more of than fit, if there were more."""
    shown = rows[:limit]
    continuation = encode(sort_key(shown[-1])) if len(rows) > limit else None
    return Page(tuple(item(row) for row in shown), continuation)
