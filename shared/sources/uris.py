"""URIs as they may be shown."""

from __future__ import annotations

MAX_SHOWN_CHARACTERS = 500
CONTAINERS = ("wasbs", "abfss")  # whose user is the name of a container


def without_query(uri: str) -> str:
    """The URI for messages and records: without its query and fragment, which may hold a signature, and without a user
    and a password. At most MAX_SHOWN_CHARACTERS; control characters are escaped."""
    bare = uri.partition("?")[0].partition("#")[0]
    scheme, separator, rest = bare.partition("://")
    authority, slash, path = rest.partition("/")
    user, at, host = authority.rpartition("@")
    if scheme not in CONTAINERS or ":" in user:
        user, at = "", ""
    shown = f"{scheme}{separator}{user}{at}{host}{slash}{path}" if separator else bare
    return shown[:MAX_SHOWN_CHARACTERS].encode("unicode_escape").decode()
