"""Where collected lines go: a folder, or a container of Azure Blob Storage by its URL, with a SAS or an identity."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from shared.scoring.errors import StartError
from shared.scoring.settings import Hidden

ACCOUNT = "AZURE_STORAGE_ACCOUNT"  # of az:// URLs, as the Azure CLI and fsspec take it
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_EXPECTED = "https://ACCOUNT.blob.core.windows.net/CONTAINER[/FOLDER][?SAS] or az://CONTAINER[/FOLDER]"
_SAS = re.compile(r"[\x21-\x7e]+")


NO_SAS = Hidden("")


@dataclass(frozen=True, slots=True)
class BlobPlace:
    """A container, or a folder in it. Without `sas` and `sas_file` an identity is used."""

    url: str  # without a query
    sas: Hidden = NO_SAS
    sas_file: str = ""  # read again when it changes

    def as_dict(self) -> dict[str, Any]:
        """As the writing process is told it, by a pipe: arguments can be seen by others."""
        return {"url": self.url, "sas": str(self.sas), "sas_file": self.sas_file}


Destination = Path | BlobPlace


def destination_of(text: str, sas_file: Path | None, environ: Mapping[str, str]) -> Destination | None:
    """The place that an option or a variable names; None for "". Raises StartError, without the URL's query."""
    if not text:
        return None
    if "://" not in text:
        return Path(text)
    parts = urlsplit(text)
    if parts.scheme == "az":
        account = environ.get(ACCOUNT, "")
        if not re.fullmatch(r"[a-z0-9]{3,24}", account):
            raise StartError(f"az:// needs the storage account's name in {ACCOUNT} (3 to 24 letters and digits)")
        container = f"{parts.netloc}{parts.path}"
        parts = SplitResult("https", f"{account}.blob.core.windows.net", f"/{container}", parts.query, "")
    _check(parts)
    url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
    return _with_access(url, parts, sas_file)


def _check(parts: SplitResult) -> None:
    if parts.scheme not in ("https", "http") or not parts.hostname or not parts.path.strip("/"):
        raise StartError(f"collected data go to a folder, or to {_EXPECTED}")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise StartError(f"collected data go to {parts.hostname} by https only")
    if parts.username is not None or parts.fragment:
        raise StartError(f"the URL for collected data has more than is expected: {_EXPECTED}")
    if not re.fullmatch(r"[A-Za-z0-9._~%$/@:+-]+", parts.path):
        raise StartError("the URL for collected data has characters in its path that are not percent-encoded")


def _with_access(url: str, parts: SplitResult, sas_file: Path | None) -> BlobPlace:
    if sas_file is not None:
        if parts.query:
            raise StartError("the URL for collected data has a SAS, and there is a file with one: give one of them")
        try:
            read_sas(sas_file)
        except (OSError, ValueError) as error:
            raise StartError(f"{sas_file}: {error}") from None
        return BlobPlace(url, sas_file=str(sas_file))
    if parts.query:
        try:
            return BlobPlace(url, sas=checked_sas(parts.query))
        except ValueError as error:
            raise StartError(f"the URL for collected data: {error}") from None
    if parts.scheme != "https":
        raise StartError("an identity's tokens are sent by https only: give a SAS for an http URL")
    if importlib.util.find_spec("azure") is None or importlib.util.find_spec("azure.identity") is None:
        raise StartError("the URL for collected data has no SAS, and an identity needs the extra scoring-azure")
    return BlobPlace(url)


def read_sas(path: Path) -> Hidden:
    """The SAS of a file. Raises OSError, or ValueError that does not show it."""
    return checked_sas(path.read_text(encoding="utf-8", errors="replace").strip().removeprefix("?"))


def checked_sas(text: str) -> Hidden:
    """The SAS. Raises ValueError, which does not show it, for what is none."""
    if not _SAS.fullmatch(text) or "sig=" not in text:
        raise ValueError("that is no SAS: a query with sig= is expected")
    return Hidden(text)
