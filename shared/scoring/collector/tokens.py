"""Tokens for Storage of the identity that the writing process runs as (extra scoring-azure)."""

from __future__ import annotations

from collections.abc import Callable

SCOPE = "https://storage.azure.com/.default"


def tokens() -> Callable[[], str]:
    """Gives a token that is valid now; azure-identity keeps and renews it. Raises OSError when there is none."""
    from azure.core.exceptions import ClientAuthenticationError
    from azure.identity import DefaultAzureCredential

    credential = DefaultAzureCredential()

    def token() -> str:
        try:
            return credential.get_token(SCOPE).token
        except ClientAuthenticationError as error:
            first_line = (str(error).splitlines() or [""])[0][:200]
            raise OSError(f"no token for Storage: {first_line}") from None

    return token
