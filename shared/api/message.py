"""A request and its answer, free of any web framework."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pydantic_core

from shared.declarations.source import Source
from shared.declarations.validate import validate
from shared.errors import (
    BadRequest,
    Fault,
    Invalid,
    PreconditionRequired,
    SlipwayError,
    TooLarge,
    UnsupportedMediaType,
)
from shared.resources.base import Cause, Document

D = TypeVar("D", bound=Document)

MAX_BODY_BYTES = 2 * 1024 * 1024
JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
PROBLEM = "application/problem+json"


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """What arrived. Header names are in lower case."""

    method: str
    url: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    route: Mapping[str, str]
    body: bytes
    request_id: str
    easy_auth: bool = False  # whether the platform vouches for the client principal headers

    @property
    def cause(self) -> Cause:
        """Who asks, for history and created_by."""
        return Cause(actor=self.actor, type="request", id=self.request_id)

    @property
    def principal(self) -> str:
        """The signed-in user or app, as Easy Auth names it; "" without one, or where nobody vouches for the header."""
        name = self.headers.get("x-ms-client-principal-name") or self.headers.get("x-ms-client-principal-id", "")
        return name.strip()[:256] if self.easy_auth else ""

    @property
    def actor(self) -> str:
        """The client principal's name; without one, a fingerprint of the function key; else "anonymous"."""
        if self.principal:
            return self.principal
        key = self.headers.get("x-functions-key") or self.query.get("code")
        return f"key:{hashlib.sha256(key.encode()).hexdigest()[:8]}" if key else "anonymous"

    def json(self, shape: type[D], *, content_types: tuple[str, ...] = (JSON,)) -> D:
        """The body as `shape`. Raises UnsupportedMediaType, TooLarge, BadRequest for what is no JSON, Invalid with
        every fault for JSON of another shape."""
        given = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if given not in content_types:
            allowed = " or ".join(content_types)
            raise UnsupportedMediaType(f"the Content-Type is {given or 'missing'!r}", remedy=f"send {allowed}")
        if len(self.body) > MAX_BODY_BYTES:
            raise TooLarge(f"the body has {len(self.body)} bytes", remedy=f"send at most {MAX_BODY_BYTES}")
        try:
            value = pydantic_core.from_json(self.body, allow_inf_nan=False)
        except ValueError as error:
            raise BadRequest(f"the body is not JSON: {str(error)[:200]}") from error
        return validate_body(value, shape)

    def limit(self, default: int = 100) -> int:
        """The page size asked for, 1 to 1000. Raises BadRequest."""
        text = self.query.get("limit", str(default))
        if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= 1000):
            raise BadRequest(f"limit is {text[:20]!r}", remedy="give a number from 1 to 1000")
        return int(text)

    @property
    def continuation(self) -> str | None:
        """Where to go on; None for the first page."""
        return self.query.get("continuation") or None

    def if_match(self) -> str:
        """The ETag the client saw, without quotes, or "*". Raises PreconditionRequired; a weak tag never matches
        (RFC 9110, section 13.1.1)."""
        value = self.headers.get("if-match", "").strip()
        if not value:
            raise PreconditionRequired("If-Match is missing", remedy='send the ETag you read, or "*" for any state')
        return value if value.startswith("W/") else value.strip('"')


def validate_body(value: Any, shape: type[D]) -> D:
    """`value` as `shape`. Raises Invalid with every fault and its JSON pointer; a body has no lines."""
    try:
        return validate(Source("body", value), shape)
    except Invalid as error:
        faults = tuple(Fault(f.message, f.pointer, allowed=f.allowed) for f in error.faults)
        raise Invalid("the body is not valid", faults=faults) from error


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """What is answered."""

    status: int
    document: Any = None  # answered as JSON; None: no body
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = JSON

    def body(self) -> bytes:
        """The document in UTF-8, b"" when there is none."""
        return b"" if self.document is None else pydantic_core.to_json(self.document)


def quoted_etag(etag: str | None) -> str:
    """An ETag header's value (RFC 9110, section 8.8.3)."""
    return '"' + (etag or "").strip('"') + '"'


def problem(error: SlipwayError, request_id: str) -> ApiResponse:
    """The error as application/problem+json (RFC 9457)."""
    document = {
        "type": f"urn:slipway:problem:{error.code}",
        "title": error.code,
        "status": error.http_status,
        "detail": error.message,
        "instance": f"urn:slipway:request:{request_id}",
        "code": error.code,
        "faults": [fault.as_dict() for fault in error.faults],
    }
    if error.remedy:
        document["remedy"] = error.remedy
    retry = {"Retry-After": "2"} if error.http_status == 503 else {}
    return ApiResponse(error.http_status, document, retry, PROBLEM)
