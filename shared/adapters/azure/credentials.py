"""The identity Slipway has on Azure: a managed identity there, the developer's own sign-in elsewhere. Never a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential


def default_credential(managed_identity_client_id: str = "") -> AsyncTokenCredential:
    """azure-identity's DefaultAzureCredential for the given user-assigned identity ("": the system-assigned one)."""
    from azure.identity.aio import DefaultAzureCredential

    return DefaultAzureCredential(managed_identity_client_id=managed_identity_client_id or None)
