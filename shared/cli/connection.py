"""Which server the command talks to, and how it proves who it is."""

from __future__ import annotations

import ipaddress
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from shared.cli.errors import CliError, ExitCode
from shared.cli.options import Options

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

DEFAULT_URL = "http://127.0.0.1:7071"  # where the Functions host listens


@dataclass(slots=True)
class Connection:
    """A server and the credentials for it. Never shows them."""

    base_url: str  # without a slash at its end and without /api
    loopback: bool
    key: str | None = None
    scope: str | None = None
    _credential: TokenCredential | None = None

    def __repr__(self) -> str:
        return f"Connection({self.base_url!r})"

    def headers(self) -> dict[str, str]:
        """The headers that prove who asks. Raises CliError when Entra gives no token."""
        headers = {"x-functions-key": self.key} if self.key else {}
        if self.scope:
            headers["Authorization"] = f"Bearer {self._token(self.scope)}"
        return headers

    def _token(self, scope: str) -> str:
        try:
            from azure.core.exceptions import AzureError
            from azure.identity import DefaultAzureCredential
        except ImportError as error:
            raise CliError("azure-identity is not installed", remedy="pip install azure-identity") from error
        try:
            if self._credential is None:
                self._credential = DefaultAzureCredential()
            return self._credential.get_token(scope).token  # azure-identity keeps it until it expires
        except AzureError as error:
            message = f"Microsoft Entra gave no token for {scope}: {str(error).splitlines()[0]}"
            raise CliError(message, ExitCode.NOT_AUTHORISED, remedy="log in with `az login`") from error


def connect(options: Options) -> Connection:
    """The connection the options ask for. Raises click.UsageError for what cannot be meant."""
    base_url = _base_url(options.url or _announced_url(options.data_path) or DEFAULT_URL)
    connection = Connection(base_url, is_loopback(base_url), key=options.key)
    if options.auth == "entra":
        if not options.scope:
            raise click.UsageError("--auth entra needs --scope, e.g. --scope api://CLIENT-ID/.default")
        connection.scope = options.scope
    elif connection.key is None and connection.loopback:
        connection.key = _local_key(options.data_path)
    if not connection.loopback and base_url.startswith("http:") and (connection.key or connection.scope):
        click.echo(f"Warning: {base_url} is not encrypted; the key can be read on the way", err=True)
    return connection


def is_loopback(url: str) -> bool:
    """Whether the URL's host is this machine itself."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _base_url(url: str) -> str:
    if any(character in url for character in "@?#"):  # not repeated: it may hold a password
        raise click.UsageError("--url must hold no user, password or query; give the key by SLIPWAY_KEY or --key")
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise click.UsageError(f"--url must be http://HOST[:PORT] or https://HOST, not {url!r}")
    return url.rstrip("/").removesuffix("/api")


def _announced_url(data_dir: Path) -> str | None:
    """The URL in the data folder's endpoint.json; None when there is none or its process is gone."""
    document = _read_json(data_dir / "endpoint.json")
    if not document:
        return None
    url, pid = document.get("url"), document.get("pid")
    if not isinstance(url, str) or not is_loopback(url):  # the folder may be somebody else's: no key goes elsewhere
        return None
    return url if isinstance(pid, int) and _is_running(pid) else None


def _is_running(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _local_key(data_dir: Path) -> str | None:
    document = _read_json(data_dir / "secrets.json")
    keys = document.get("host_keys") if document else None
    key = keys.get("default") if isinstance(keys, dict) else None
    return key if isinstance(key, str) else None


def _read_json(path: Path) -> dict[str, Any] | None:
    """The object in the file; None when there is no file. Raises CliError when it cannot be read."""
    try:
        document = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not JSON"
        raise CliError(f"{path} cannot be read: {why}", remedy="give --url and --key, or --data-dir") from error
    return document if isinstance(document, dict) else None
