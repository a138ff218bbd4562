"""Keys and tokens: `Authorization: Bearer ...`, as Azure ML's endpoints take them.

Files are read again when they change (a mounted secret is replaced as a whole), so that rotation needs no restart.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

import orjson

from shared.scoring.errors import StartError, Unauthorized
from shared.scoring.http.messages import Request
from shared.scoring.logs import LOGGER

LOOK_AGAIN_S = 1.0
_CHALLENGE = ((b"WWW-Authenticate", b'Bearer realm="scoring"'),)
T = TypeVar("T")


class _Watched(Generic[T]):
    """What a file holds, at most LOOK_AGAIN_S old. A file that can't be read later leaves what it held."""

    def __init__(self, path: Path, parse: Callable[[bytes], T]) -> None:
        self._path = path
        self._parse = parse
        self._looked_s = time.monotonic()
        self._stamp: tuple[int, int, int] | None = None
        try:
            self._value = self._read()
        except (OSError, ValueError) as error:
            raise StartError(f"{path}: {error}") from error

    def _read(self) -> T:
        stat = self._path.stat()
        self._stamp = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        return self._parse(self._path.read_bytes())

    def value(self) -> T:
        now = time.monotonic()
        if now - self._looked_s >= LOOK_AGAIN_S:
            self._looked_s = now
            try:
                stat = self._path.stat()
                if (stat.st_mtime_ns, stat.st_ino, stat.st_size) != self._stamp:
                    self._value = self._read()
            except (OSError, ValueError) as error:
                LOGGER.error("the keys in use stay: %s: %s", self._path.name, error)
        return self._value


def parse_keys(content: bytes) -> tuple[bytes, ...]:
    """The keys of `{"primaryKey": ..., "secondaryKey": ...}`. Raises ValueError for anything else."""
    document = orjson.loads(content)
    keys = [document.get(name) for name in ("primaryKey", "secondaryKey")] if isinstance(document, dict) else []
    found = tuple(key.encode() for key in keys if isinstance(key, str) and key)
    if not found:
        raise ValueError("expected a JSON object with primaryKey and secondaryKey (texts)")
    return found


def parse_secret(content: bytes) -> bytes:
    """The secret, without white space around it. Raises ValueError when it is shorter than 32 bytes (RFC 7518, 3.2)."""
    secret = content.strip()
    if len(secret) < 32:
        raise ValueError("the secret is shorter than 32 bytes")
    return secret


class Access:
    """Checks requests when a keys file or a token file is given; else everybody may score."""

    def __init__(self, keys_file: Path | None, token_file: Path | None) -> None:
        """Raises StartError when a file can't be read."""
        self._keys = _Watched(keys_file, parse_keys) if keys_file is not None else None
        self._secret = _Watched(token_file, parse_secret) if token_file is not None else None
        self._open = self._keys is None and self._secret is None

    def check(self, request: Request) -> None:
        """Raises Unauthorized unless the request carries a key or a token that is valid now."""
        if self._open:
            return
        kind, _, given = request.headers.get(b"authorization", b"").partition(b" ")
        given = given.strip()
        if kind.lower() != b"bearer" or not given:
            raise Unauthorized("Authorization: Bearer with a key or token is expected", headers=_CHALLENGE)
        known = False
        for key in self._keys.value() if self._keys is not None else ():
            known |= hmac.compare_digest(key, given)
        if not known and not (self._secret is not None and token_is_valid(given, self._secret.value(), time.time())):
            raise Unauthorized("the key or token is not valid", headers=_CHALLENGE)


def token_is_valid(token: bytes, secret: bytes, now_s: float) -> bool:
    """Whether it is a JWT (RFC 7519) that this secret signed with HS256, whose `exp` is later and `nbf` not later."""
    parts = token.split(b".")
    if len(parts) != 3:
        return False
    expected = hmac.new(secret, parts[0] + b"." + parts[1], hashlib.sha256).digest()
    signature = _decoded(parts[2])
    if signature is None or not hmac.compare_digest(expected, signature):
        return False
    header, claims = _document(parts[0]), _document(parts[1])
    expires, begins = claims.get("exp"), claims.get("nbf", 0)
    if header.get("alg") != "HS256" or not isinstance(expires, int | float) or not isinstance(begins, int | float):
        return False
    return begins <= now_s < expires


def _decoded(part: bytes) -> bytes | None:
    try:
        return base64.b64decode(part + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return None


def _document(part: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(_decoded(part) or b"")
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}
