"""How a registry asks who one is: basic authentication, or a token of the service that it names (RFC 6750, and "Token
Authentication Specification" of the distribution project). Credentials go to the registry and to that service only."""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import aiohttp
from yarl import URL

from shared.adapters.http_bodies import read_at_most
from shared.errors import Invalid, Permanent, Retryable
from shared.packaging.layout import parse_document

MAX_TOKEN_BYTES = 1 << 20
_CHALLENGE = re.compile(r"\s*(bearer|basic)\b(.*)", re.IGNORECASE | re.DOTALL)
_PARAMETER = re.compile(r'([a-zA-Z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+\Z")  # RFC 6750, section 2.1


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user, or a service principal, of one registry."""

    username: str
    password: str = field(repr=False)

    @property
    def basic(self) -> str:
        """The header's value (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a registry asks for (RFC 9110, section 11.6.1)."""

    scheme: Literal["basic", "bearer"]
    realm: str = ""
    service: str = ""


def parse_challenges(values: Iterable[str]) -> Challenge | None:
    """Of the WWW-Authenticate headers the one for a token, or else for a password; None when it is neither."""
    found: dict[str, Challenge] = {}
    for value in values:
        if match := _CHALLENGE.match(value):
            parameters = {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(match[2])}
            if match[1].lower() == "basic":
                found["basic"] = Challenge("basic")
            elif parameters.get("realm"):
                found["bearer"] = Challenge("bearer", parameters["realm"], parameters.get("service", ""))
    return found.get("bearer") or found.get("basic")


def is_loopback(host: str | None) -> bool:
    """Whether it is this machine, without asking any name service."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def check_secure(url: URL, registry: URL) -> None:
    """Raises Invalid for http, unless both the registry and this URL of it are on this machine, and for URLs with a
    user in them."""
    on_this_machine = is_loopback(registry.host) and is_loopback(url.host)
    if url.scheme != "https" and not (url.scheme == "http" and on_this_machine):
        raise Invalid(
            f"the registry {registry.authority} sends to {url.scheme}://{url.host}:{url.port} (allowed: https)",
            remedy="have the registry answer with https URLs",
        )
    if url.user is not None or url.password is not None:
        raise Invalid(f"the registry {registry.authority} sends to a URL with a user or a password in it")


async def authorization(
    http: aiohttp.ClientSession, registry: URL, challenge: Challenge, credentials: Credentials | None, scope: str
) -> str:
    """The Authorization header that answers the challenge; for a token, asked for with the credentials, or without any
    for what is public. Raises Permanent when it is refused or there are no credentials, Invalid for a realm that is not
    https, Retryable when the service does not answer."""
    if challenge.scheme == "basic":
        if credentials is None:
            raise Permanent(
                f"the registry {registry.authority} wants a user and a password", remedy="give the credentials for it"
            )
        return credentials.basic
    try:
        realm = URL(challenge.realm).update_query({"service": challenge.service, "scope": scope})
    except ValueError:
        raise Invalid(f"the registry {registry.authority} names no URL to ask for a token") from None
    check_secure(realm, registry)
    headers = {"Authorization": credentials.basic} if credentials else {}
    try:
        async with http.get(realm, headers=headers, allow_redirects=False) as response:
            body = await read_at_most(response.content, MAX_TOKEN_BYTES)
            return "Bearer " + _token(response.status, body, realm.authority)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Retryable(f"the token service {realm.authority} does not answer: {type(error).__name__}") from None


def _token(status: int, content: bytes, authority: str) -> str:
    if status in (408, 429) or status >= 500:
        raise Retryable(f"the token service {authority} cannot answer now: status {status}")
    if status != 200:
        raise Permanent(
            f"the token service {authority} gives no token: status {status}",
            remedy="check the user, the password and what they may do in this repository",
        )
    answer = parse_document(content, f"the answer of the token service {authority}")
    token = answer.get("token") or answer.get("access_token")
    if not isinstance(token, str) or not _TOKEN.match(token):
        raise Permanent(f"the token service {authority} answered without a token")
    return token
