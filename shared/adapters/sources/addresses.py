"""Which addresses may be connected to, and names resolved to nothing else (server-side request forgery, CWE-918)."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Protocol

from aiohttp.abc import AbstractResolver, ResolveResult

from shared.errors import Invalid

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Beyond what Python's tables of IANA's special-purpose registries (RFC 6890) call not global.
_REFUSED = tuple(
    ipaddress.ip_network(text)
    for text in (
        "168.63.129.16/32",  # Azure's platform: "What is IP address 168.63.129.16?"
        "192.0.0.0/24",  # IETF protocol assignments
        "192.88.99.0/24",  # 6to4 relays, RFC 7526
        "2001::/23",  # IETF protocol assignments, Teredo among them
        "2002::/16",  # 6to4 holds an IPv4 address, RFC 3056
    )
)
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")  # RFC 4291; mapped, NAT64, unique and link-local are outside


def is_allowed(address: Address, *, loopback: bool, public: bool = True) -> bool:
    """Whether it is a public unicast address (when `public`), or a loopback address where `loopback` is on. IPv6
    addresses that stand for IPv4 ones (mapped, NAT64, 6to4) never are."""
    if address.is_loopback:
        return loopback
    if not public or not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if address.version == 6 and address not in _GLOBAL_UNICAST:
        return False
    return not any(address.version == network.version and address in network for network in _REFUSED)


def check_address(text: str, host: str, *, loopback: bool, public: bool = True) -> None:
    """Raises Invalid unless the address is allowed."""
    try:
        allowed = is_allowed(ipaddress.ip_address(text), loopback=loopback, public=public)
    except ValueError:
        allowed = False
    if not allowed:
        raise Invalid(
            f"{host} has the address {text}, which files are not brought from",
            remedy="use a host whose addresses are all public" if public else "http:// is for this machine only",
        )


class HostResolver(Protocol):
    """Names to addresses."""

    async def resolve(self, host: str) -> tuple[str, ...]:
        """All addresses, as text. Raises OSError when there are none."""
        ...


class SystemResolver:
    """The system's resolver."""

    async def resolve(self, host: str) -> tuple[str, ...]:
        """See HostResolver."""
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


class CheckedResolver(AbstractResolver):
    """Resolves once a connection, and refuses a name when any of its addresses is refused: the connector then connects
    to exactly the addresses that were checked, so a second answer (DNS rebinding) is never used unchecked."""

    def __init__(self, resolver: HostResolver, *, loopback: bool, public: bool) -> None:
        self._resolver = resolver
        self._loopback = loopback
        self._public = public

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """See AbstractResolver. Raises Invalid for a refused address, OSError for an unknown name."""
        addresses = await self._resolver.resolve(host)
        for address in addresses:
            check_address(address, host, loopback=self._loopback, public=self._public)
        if not addresses:
            raise OSError(f"{host} has no address")
        return [_result(host, address, port) for address in addresses]

    async def close(self) -> None:
        """Nothing is kept open."""


def _result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=flags)
