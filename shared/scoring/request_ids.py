"""Ids of requests: which came with them, and which go back (azureml-inference-server-http 1.5.1, server/routes.py)."""

from __future__ import annotations

import random

from shared.scoring.errors import HeadersTooLarge
from shared.scoring.http.messages import Headers, Request

MAX_CHARACTERS = 100
_NAMES = (b"x-request-id", b"x-ms-request-id", b"x-ms-client-request-id")
_random = random.Random()  # noqa: S311 - ids need to differ, not to be secret


def new_id() -> str:
    """A random UUID (RFC 9562, version 4), several times faster than uuid.uuid4."""
    digits = f"{_random.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{'89ab'[_random.getrandbits(2)]}{digits[17:20]}-{digits[20:]}"


def identify(request: Request) -> Headers:
    """Sets the request's id, new when it has none, and gives the headers that go back with every answer.

    x-ms-request-id is the older name of x-ms-client-request-id: each stands in for the other. Raises HeadersTooLarge
    when one is longer than 100 characters.
    """
    headers = request.headers
    given = headers.get(_NAMES[0])
    if given is not None and len(given) > MAX_CHARACTERS:
        raise HeadersTooLarge(f"x-request-id must not exceed {MAX_CHARACTERS} characters")
    request.id = new_id() if given is None else given.decode("latin-1")
    own = request.id.encode("latin-1")
    legacy, client = headers.get(_NAMES[1], b""), headers.get(_NAMES[2], b"")
    if not legacy and not client:
        ids: Headers = ((_NAMES[0], own), (_NAMES[1], own))
    else:
        client = client or legacy
        legacy = legacy or client
        if len(legacy) > MAX_CHARACTERS or len(client) > MAX_CHARACTERS:
            raise HeadersTooLarge(
                f"x-ms-request-id and x-ms-client-request-id must not exceed {MAX_CHARACTERS} characters"
            )
        ids = ((_NAMES[0], own), (_NAMES[1], legacy), (_NAMES[2], client))
    if b"traceid" in headers:  # the tracing field of Office services
        ids = (*ids, (b"TraceId", headers[b"traceid"]))
    return tuple((name, value) for name, value in ids if value)
