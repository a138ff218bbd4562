"""The four operations of Blob Storage that appending needs (REST, Append Block, service version 2023-11-03).

By http.client, in the writing process only: no SDK is loaded where models are scored.
"""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from shared.scoring.collector.destination import read_sas
from shared.scoring.collector.tokens import tokens

VERSION = "2023-11-03"
TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service said. `length` (of `look`) and `blocks` are the blob's."""

    status: int
    code: str  # of an error, e.g. ContainerNotFound
    length: int
    blocks: int


class BlobContainer:
    """A container or a folder in it. Nothing that is raised has the SAS or a token in it."""

    def __init__(self, url: str, sas: str = "", sas_file: str = "") -> None:
        parts = urlsplit(url)
        self._host, self._folder = parts.netloc, parts.path
        self._is_secure = parts.scheme == "https"
        self._connection: http.client.HTTPConnection | None = None
        self._sas = sas
        self._sas_file = Path(sas_file) if sas_file else None
        self._token = None if sas or sas_file else tokens()

    def create(self, blob: str) -> Answer:
        """Make an empty append blob; 409 when there is one of that name."""
        return self._ask("PUT", blob, "", {"x-ms-blob-type": "AppendBlob", "If-None-Match": "*"})

    def look(self, blob: str) -> Answer:
        """Its length and number of blocks; 404 when it is not there."""
        return self._ask("HEAD", blob, "", {})

    def append(self, blob: str, position: int, block: bytes) -> Answer:
        """Put it at its end; 412 when that is not `position`, so that a block is never there twice."""
        headers = {"x-ms-blob-condition-appendpos": str(position)}
        return self._ask("PUT", blob, "comp=appendblock", headers, block)

    def _ask(self, method: str, blob: str, query: str, headers: dict[str, str], body: bytes = b"") -> Answer:
        """Raises OSError when there is no answer."""
        given = {"x-ms-version": VERSION, "Content-Length": str(len(body)), **headers}
        if self._token is not None:
            given["Authorization"] = f"Bearer {self._token()}"
        both = "&".join(part for part in (query, self._current_sas()) if part)
        target = f"{self._folder}/{quote(blob)}" + (f"?{both}" if both else "")
        self._connection = connection = self._connection or self._connected()
        try:
            connection.request(method, target, body, given)
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            why = error.strerror or "" if isinstance(error, OSError) else ""
            raise OSError(f"{self._host} does not answer: {type(error).__name__} {why}".rstrip()) from None
        return Answer(
            response.status,
            response.getheader("x-ms-error-code") or "",
            int(response.getheader("Content-Length") or 0),
            int(response.getheader("x-ms-blob-committed-block-count") or 0),
        )

    def _connected(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._is_secure else http.client.HTTPConnection
        return kind(self._host, timeout=TIMEOUT_S)

    def _current_sas(self) -> str:
        if self._sas_file is None:
            return self._sas
        try:
            return str(read_sas(self._sas_file))
        except ValueError as error:
            raise OSError(f"{self._sas_file}: {error}") from None

    def close(self) -> None:
        """End the connection; the next request makes another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
