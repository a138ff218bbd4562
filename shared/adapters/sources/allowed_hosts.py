"""Which hosts files may be brought from."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from yarl import URL

from shared.errors import Invalid
from shared.sources.uris import without_query

SETTING = "SLIPWAY_MODEL_SOURCE_HOSTS"
SCHEMES = ("https", "http")
_ENTRY = re.compile(r"(?:(http)://)?(\*\.)?(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?\Z")
_URL_CHARACTERS = re.compile(r"[!-\[\]^-~]+\Z")  # printable ASCII without the backslash (RFC 3986, section 2)
_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class AllowedHost:
    """One entry of the setting."""

    scheme: str  # "https", or "http" for an entry that says so
    host: str  # lower case, an IPv6 address without its brackets
    port: int
    subdomains: bool = False  # the hosts below it, not it

    def matches(self, url: URL) -> bool:
        """Whether the URL is at this host."""
        host = (url.host or "").lower().rstrip(".")
        same = host.endswith(f".{self.host}") if self.subdomains else host == self.host
        return same and url.scheme == self.scheme and url.port == self.port


def parse_hosts(text: str) -> tuple[AllowedHost, ...]:
    """The entries of a comma-separated list; () for an empty one. Raises Invalid for an entry that is none."""
    return tuple(_parse_host(entry.strip().lower()) for entry in text.split(",") if entry.strip())


def _parse_host(entry: str) -> AllowedHost:
    match = _ENTRY.match(entry)
    if match is None or int(match[4] or 1) not in range(1, 65536):
        raise Invalid(f"{SETTING}: {entry!r} is no host (allowed: host, host:port, *.domain, http://host:port)")
    scheme = match[1] or "https"
    return AllowedHost(scheme, match[3].strip("[]"), int(match[4] or _DEFAULT_PORTS[scheme]), bool(match[2]))


def check_url(text: str, hosts: tuple[AllowedHost, ...]) -> URL:
    """The URL exactly as it is written (a signature covers its escapes). Raises Invalid for one with credentials, with
    characters that must be escaped, or at a host that is not allowed, and for every one when no host is."""
    if not hosts:
        raise Invalid(
            "files are not brought from URLs here: no host is allowed", remedy=f"list trusted hosts in {SETTING}"
        )
    shown = without_query(text)
    if not _URL_CHARACTERS.match(text):
        raise Invalid(f"{shown} is no URL", remedy="escape spaces and all that is not ASCII")
    try:
        url = URL(text.partition("#")[0], encoded=True)
        host, _ = url.host, url.port
    except ValueError:  # its text may hold the query
        raise Invalid(f"{shown} is no URL") from None
    if url.scheme not in SCHEMES or not host:
        raise Invalid(f"{shown} is not a URL that files are brought from (allowed: https://host/path)")
    if url.raw_user is not None or url.raw_password is not None or "@" in url.raw_authority:
        raise Invalid(f"{shown} has a user or a password in it", remedy="use a URL that is signed in its query")
    if not any(entry.matches(url) for entry in hosts):
        raise _not_allowed(url)
    return url


def _not_allowed(url: URL) -> Invalid:
    place = f"{url.scheme}://{url.host}:{url.port}"
    return Invalid(
        f"files are not brought from {place}", remedy=f"add the host to the setting {SETTING}, where it is trusted"
    )


def literal_address(url: URL) -> str | None:
    """The host when it is an address itself, else None."""
    try:
        return str(ipaddress.ip_address(url.host or ""))
    except ValueError:
        return None
