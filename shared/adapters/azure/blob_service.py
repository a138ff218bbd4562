"""Blob Storage's client and its signed URLs. The SDK is imported at first use."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from shared.adapters.azure.errors import translated
from shared.errors import Invalid

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.storage.blob import UserDelegationKey
    from azure.storage.blob.aio import BlobServiceClient

    from shared.ports import Clock

TRANSFER_BYTES = 4 << 20  # of one request when a blob is read or written: bounds the memory of a transfer
CLOCK_SKEW = timedelta(minutes=15)  # Azure's advice for the start of a shared access signature
MAX_LIFE_S = 7 * 24 * 3600  # of a user delegation key
_KEY_LIFE = timedelta(days=1)
# Tries again after about 1, 3 and 5 s. The SDK's own first wait of 15 s is longer than people wait for a request.
RETRY: dict[str, int] = {"initial_backoff": 1, "increment_base": 2, "retry_total": 3, "random_jitter_range": 1}


def open_blob_service(account_url: str, credential: AsyncTokenCredential | str, **options: Any) -> BlobServiceClient:
    """A client that moves blobs in pieces of 4 MiB. `credential` is an identity for https://ACCOUNT.blob.core...,
    or a connection string (Azurite, tests), and then the account_url is not used. Close it at the end."""
    from azure.storage.blob.aio import BlobServiceClient

    defaults: dict[str, Any] = dict.fromkeys(
        ("max_single_get_size", "max_chunk_get_size", "max_block_size"), TRANSFER_BYTES
    )
    defaults |= RETRY
    if isinstance(credential, str):
        return BlobServiceClient.from_connection_string(credential, **defaults, **options)
    return BlobServiceClient(account_url, credential=credential, **defaults, **options)


class BlobUrlSigner:
    """Shared access signatures for single blobs: by a user delegation key when the service was opened with an identity
    (it needs the role Storage Blob Delegator), by the account key when it was opened with that."""

    def __init__(self, service: BlobServiceClient, clock: Clock) -> None:
        self._service = service
        self._clock = clock
        self._key: UserDelegationKey | None = None
        self._key_expires_at = datetime.min.replace(tzinfo=UTC)
        self._key_lock = asyncio.Lock()

    def expiry(self, expires_in_s: float) -> datetime:
        """The time expires_in_s from now, in whole seconds. Raises Invalid unless it is in the future and within 7
        days, the longest life of a user delegation key."""
        if not 0 < expires_in_s <= MAX_LIFE_S:
            raise Invalid(f"a URL cannot expire in {expires_in_s} seconds (allowed: above 0, up to {MAX_LIFE_S})")
        return datetime.fromtimestamp(math.ceil(self._clock.now().timestamp() + expires_in_s), UTC)

    async def url(
        self,
        container: str,
        path: str,
        permission: Literal["r", "cw"],
        expires_at: datetime,
        response_headers: Mapping[str, str] | None = None,
    ) -> str:
        """The blob's URL with a signature. `response_headers` of its GET: content_disposition, content_type."""
        from azure.storage.blob import generate_blob_sas

        account_key = getattr(self._service.credential, "account_key", None)
        headers: dict[str, Any] = dict(response_headers or {})
        name = self._service.account_name
        assert name is not None
        query = generate_blob_sas(
            name,
            container,
            path,
            account_key=account_key,
            user_delegation_key=None if account_key else await self._delegation_key(expires_at),
            permission=permission,
            start=self._clock.now() - CLOCK_SKEW,
            expiry=expires_at,
            protocol="https" if self._service.url.startswith("https:") else "https,http",
            **headers,
        )
        return f"{self._service.get_blob_client(container, path).url}?{query}"

    async def _delegation_key(self, needed_until: datetime) -> UserDelegationKey:
        async with self._key_lock:
            if self._key is None or self._key_expires_at < needed_until:
                now = self._clock.now()
                expires_at = min(max(needed_until, now + _KEY_LIFE), now + timedelta(seconds=MAX_LIFE_S))
                with translated("getting a user delegation key"):
                    self._key = await self._service.get_user_delegation_key(now - CLOCK_SKEW, expires_at)
                self._key_expires_at = expires_at
            return self._key
