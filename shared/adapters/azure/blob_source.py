"""ModelSource of Azure Storage: blobs and folders of datastores, by identity."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from shared.adapters.azure.blob_service import open_blob_service
from shared.adapters.azure.credentials import default_credential
from shared.adapters.azure.errors import translated
from shared.datastore_settings import Datastores
from shared.errors import Conflict, Invalid, NotFound, Permanent, Retryable, TooLarge, Unauthorized
from shared.ports import SourceObject
from shared.sources.blob_places import FORMS, BlobPlace, blob_place
from shared.sources.uris import without_query

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobServiceClient, ContainerClient, StorageStreamDownloader

MAX_OBJECTS = 10_000
_FOLDER = "hdi_isfolder"  # metadata that marks the folders of a hierarchical namespace


class AccountServices:
    """Clients of accounts by one identity, each made once: they live as long as the process does."""

    def __init__(self, managed_identity_client_id: str) -> None:
        self._credential = default_credential(managed_identity_client_id)
        self._made: dict[str, BlobServiceClient] = {}

    def of(self, account_url: str) -> BlobServiceClient:
        """The client of the account's Blob endpoint."""
        if account_url not in self._made:
            self._made[account_url] = open_blob_service(account_url, self._credential)
        return self._made[account_url]


class BlobSource:
    """`service` gives the client of an account's Blob endpoint by its URL, and it stays the giver's to close."""

    def __init__(self, datastores: Datastores, service: Callable[[str], BlobServiceClient], *, max_bytes: int) -> None:
        self._datastores = datastores
        self._service = service
        self._max_bytes = max_bytes

    async def list(self, uri: str) -> tuple[SourceObject, ...]:
        """See ModelSource. The blob of that name, else all below the folder; marks of folders are left out. NotFound
        for neither, TooLarge for more than MAX_OBJECTS or max_bytes together."""
        place = self._place(uri)
        with _told(uri):
            container = self._service(place.account_url).get_container_client(place.container)
            single = await _single(container, place.path)
            items: Sequence[SourceObject] = [single] if single else await self._below(uri, container, _prefix(place))
        if not items:
            raise NotFound(f"{without_query(uri)} was not found")
        if sum(item.size_bytes or 0 for item in items) > self._max_bytes:
            raise TooLarge(f"{without_query(uri)} has more than {self._max_bytes} bytes")
        return tuple(sorted(items, key=lambda item: item.path))

    async def read(self, uri: str, item: SourceObject) -> AsyncIterator[bytes]:
        """See ModelSource."""
        place = self._place(uri)
        is_single = place.path.rpartition("/")[2] == item.path
        with _told(uri):
            container = self._service(place.account_url).get_container_client(place.container)
            name = place.path if is_single and await _single(container, place.path) else _prefix(place) + item.path
            async for chunk in (await _opened(container, name, item.version)).chunks():
                yield chunk

    def _place(self, uri: str) -> BlobPlace:
        place = blob_place(uri, self._datastores)
        if place is None:
            raise Invalid(f"{without_query(uri)} is not in Azure Storage", remedy=f"write {FORMS}")
        return place

    async def _below(self, uri: str, container: ContainerClient, prefix: str) -> Sequence[SourceObject]:
        items = []
        async for blob in container.list_blobs(name_starts_with=prefix, include=["metadata"]):
            if blob.name.endswith("/") or _is_folder(blob.metadata):
                continue
            items.append(SourceObject(blob.name[len(prefix) :], blob.size, _etag(blob.etag)))
            if len(items) > MAX_OBJECTS:
                raise TooLarge(f"{without_query(uri)} has more than {MAX_OBJECTS} files")
        return items


def _prefix(place: BlobPlace) -> str:
    return f"{place.path.rstrip('/')}/" if place.path.strip("/") else ""


async def _single(container: ContainerClient, path: str) -> SourceObject | None:
    """The blob of exactly this name; None where there is none, or a folder."""
    from azure.core.exceptions import ResourceNotFoundError

    if not path or path.endswith("/"):
        return None
    try:
        found = await container.get_blob_client(path).get_blob_properties()
    except ResourceNotFoundError:  # the container's absence is found when it is listed
        return None
    if _is_folder(found.metadata):
        return None
    return SourceObject(path.rpartition("/")[2], found.size, _etag(found.etag))


async def _opened(container: ContainerClient, name: str, etag: str) -> StorageStreamDownloader[bytes]:
    """The blob in that state. NotFound for one that is gone: the condition fails for it, too."""
    from azure.core import MatchConditions
    from azure.core.exceptions import ResourceModifiedError

    pinned: dict[str, Any] = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
    try:
        download: StorageStreamDownloader[bytes] = await container.download_blob(
            name, max_concurrency=1, decompress=False, **pinned
        )
    except ResourceModifiedError:
        if await _single(container, name) is None:
            raise NotFound(name) from None
        raise
    return download


def _is_folder(metadata: Mapping[str, str] | None) -> bool:
    return any(name.lower() == _FOLDER and value == "true" for name, value in (metadata or {}).items())


def _etag(text: str) -> str:
    """As conditions want it; listings give it bare."""
    return text if text.startswith('"') else f'"{text}"'


@contextmanager
def _told(uri: str) -> Iterator[None]:
    """shared.errors that name the place and say what to do."""
    shown = without_query(uri)
    try:
        with translated(shown):
            yield
    except Unauthorized as error:
        remedy = "give Slipway's identity the role Storage Blob Data Reader on the container"
        raise Permanent(f"{shown} may not be read by Slipway's identity", remedy=remedy) from error
    except Conflict as error:
        raise Conflict(f"{shown} changed while it was read") from error
    except NotFound as error:
        raise NotFound(f"{shown} was not found") from error
    except Retryable as error:
        if getattr(error.__cause__, "status_code", None) == 404:
            raise NotFound(f"{shown} was not found: its account has no such container") from error
        raise
