"""Signatures of user delegation keys before Azurite, which makes such keys and does not know the newest signatures.

A signature is checked with the key that Azurite gave out, by the SDK's own string to sign; then the account's key signs
for the same blob, permission and times, and Azurite judges that.
"""

from __future__ import annotations

import hmac
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime
from urllib.parse import parse_qs, unquote, urlsplit

from azure.storage.blob import UserDelegationKey, generate_blob_sas

KEY_REQUEST = "comp=userdelegationkey"
FIELDS = {
    "signed_oid": "SignedOid",
    "signed_tid": "SignedTid",
    "signed_start": "SignedStart",
    "signed_expiry": "SignedExpiry",
    "signed_service": "SignedService",
    "signed_version": "SignedVersion",
    "value": "Value",
}


class DelegatedSas:
    """Keeps the keys that were given out, and in `signatures` what was signed by them and came back."""

    def __init__(self, account: str, account_key: str) -> None:
        self._account = account
        self._account_key = account_key
        self.signatures: set[str] = set()
        self._keys: dict[tuple[str, str], UserDelegationKey] = {}  # by start and end

    def learn(self, body: bytes) -> None:
        """Keep the key in an answer to Get User Delegation Key."""
        document, key = ElementTree.fromstring(body), UserDelegationKey()
        for field, name in FIELDS.items():
            setattr(key, field, document.findtext(name))
        self._keys[str(key.signed_start), str(key.signed_expiry)] = key

    def translated(self, target: str) -> str:
        """A URL or path with a query, signed by the account's key if it was rightly signed by a user delegation key;
        as it is otherwise, so that Azurite refuses it."""
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        key = self._keys.get((query.get("skt", ""), query.get("ske", "")))
        if key is None or "skoid" not in query:
            return target
        own = parse_qs(self._sas(parts.path, query, user_delegation_key=key))["sig"][0]
        if not hmac.compare_digest(own.encode(), query.get("sig", "").encode()):
            return target
        self.signatures.add(own)
        return parts._replace(query=self._sas(parts.path, query, account_key=self._account_key)).geturl()

    def _sas(self, path: str, query: dict[str, str], **key: object) -> str:
        account, container, blob = unquote(path).strip("/").split("/", 2)
        assert account == self._account
        return generate_blob_sas(
            account,
            container,
            blob,
            permission=query["sp"],
            start=_time(query["st"]),
            expiry=_time(query["se"]),
            protocol=query["spr"],
            content_disposition=query.get("rscd"),
            content_type=query.get("rsct"),
            **key,
        )


def _time(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
