"""The address the local host listens on: bound before anything else, so that a port in use is known at once, and the
port is known when functions are told their URLs."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
import sys
from collections.abc import Iterator

from shared.errors import Permanent

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 7071  # the Functions host's


@contextlib.contextmanager
def bound_socket(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that holds the port; who connects waits until it is served. Raises Permanent when the port is in use or
    the address is not this machine's; warns on standard error when others than this machine can reach it."""
    if not 0 <= port <= 65535:
        raise Permanent(f"{port} is not a port: 0 to 65535 are allowed")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        sock = socket.socket(family, kind, protocol)
    except OSError as error:
        raise Permanent(f"{host}:{port} is not an address to listen on: {error.strerror}") from error
    with sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(address)
            sock.listen()
        except OSError as error:
            raise _cannot_listen(host, port, error) from error
        if not is_loopback(sock):
            sys.stderr.write(
                f"WARNING: {host} can be reached from other machines, over HTTP without encryption. "
                "Who has a key from secrets.json can do everything.\n"
            )
        yield sock


def url_of(sock: socket.socket) -> str:
    """The base URL to reach it from this machine, without a slash at the end."""
    address, port = sock.getsockname()[:2]
    ip = ipaddress.ip_address(address)
    if ip.is_unspecified:
        ip = ipaddress.ip_address("127.0.0.1" if ip.version == 4 else "::1")
    return f"http://[{ip}]:{port}" if ip.version == 6 else f"http://{ip}:{port}"


def is_loopback(sock: socket.socket) -> bool:
    """Whether only this machine can reach it."""
    return ipaddress.ip_address(sock.getsockname()[0]).is_loopback


def _cannot_listen(host: str, port: int, error: OSError) -> Permanent:
    if error.errno == errno.EADDRINUSE:
        return Permanent(
            f"port {port} of {host} is in use by another process",
            remedy="stop it, or choose another port with --port (0 takes a free one)",
        )
    return Permanent(f"cannot listen on {host}:{port}: {error.strerror}")
