"""ModelSource of S3 and what speaks its protocol. boto3 is imported here only, at first use; it blocks in threads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote

from shared.errors import Conflict, Invalid, NotFound, NotSupported, Permanent, Retryable, TooLarge
from shared.ports import SourceObject
from shared.sources.uris import without_query

T = TypeVar("T")
SETTING = "SLIPWAY_MODEL_SOURCE_BUCKETS"
READ_BYTES = 1 << 20
MAX_OBJECTS = 10_000
_NOT_FOUND = ("404", "NoSuchKey", "NoSuchBucket", "NoSuchVersion", "NotFound")
_RETRYABLE = ("SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "Throttling", "OperationAborted")


@dataclass(frozen=True, slots=True)
class _Place:
    bucket: str
    key: str  # ends with '/', or is "", for a prefix
    version_id: str  # "" for the newest

    @property
    def is_prefix(self) -> bool:
        return not self.key or self.key.endswith("/")


class S3Source:
    """`s3://bucket/key`, `s3://bucket/folder/`, `s3://bucket/key?versionId=ID`. Credentials by boto3's own chain."""

    def __init__(self, buckets: str, *, max_bytes: int, endpoint_url: str = "") -> None:
        """`buckets` as in the setting; `endpoint_url` "": AWS. Raises NotSupported without boto3."""
        self._buckets = frozenset(name.strip() for name in buckets.split(",") if name.strip())
        self._max_bytes = max_bytes
        self._endpoint_url = endpoint_url
        self._made: Any = None
        _boto3()

    async def list(self, uri: str) -> tuple[SourceObject, ...]:
        """See ModelSource. Folder markers (keys that end with '/') are left out; () below a prefix with no objects.
        TooLarge for more than MAX_OBJECTS or max_bytes together."""
        place = self._place(uri)
        items = await asyncio.to_thread(self._list_prefix if place.is_prefix else self._head, uri, place)
        if sum(item.size_bytes or 0 for item in items) > self._max_bytes:
            raise self._too_large(uri)
        return tuple(sorted(items, key=lambda item: item.path))

    async def read(self, uri: str, item: SourceObject) -> AsyncIterator[bytes]:
        """See ModelSource. The version id where the bucket has versions, else only while the ETag is the same."""
        place = self._place(uri)
        pin = {"IfMatch": item.version} if item.version.startswith('"') else {"VersionId": item.version}
        key = place.key + item.path if place.is_prefix else place.key
        answer = await asyncio.to_thread(self._get, uri, Bucket=place.bucket, Key=key, **pin)
        body, size_bytes = answer["Body"], 0
        try:
            while chunk := await asyncio.to_thread(_translated, uri, body.read, READ_BYTES):
                size_bytes += len(chunk)
                if size_bytes > self._max_bytes:
                    raise self._too_large(uri)
                yield chunk
        finally:
            body.close()
        if size_bytes != answer["ContentLength"]:
            raise Retryable(f"{without_query(uri)}: {size_bytes} of {answer['ContentLength']} bytes arrived")

    def _place(self, uri: str) -> _Place:
        shown = without_query(uri)
        scheme, _, rest = uri.partition("://")
        address, _, query = rest.partition("?")
        bucket, _, key = address.partition("/")
        options = dict(parse_qsl(query, keep_blank_values=True))
        if scheme != "s3" or not bucket or set(options) - {"versionId"} or "#" in uri:
            raise Invalid(f"{shown} is not accepted (allowed: s3://bucket/key, s3://bucket/folder/, ?versionId=ID)")
        if bucket not in self._buckets:
            raise Invalid(
                f"files are not brought from the bucket {bucket[:100]!r}",
                remedy=f"add it to the setting {SETTING}, where it is trusted",
            )
        place = _Place(bucket, unquote(key), options.get("versionId", ""))
        if place.is_prefix and options:
            raise Invalid(f"{shown} is a folder: only a single object has a versionId")
        return place

    def _client(self) -> Any:
        if self._made is None:
            from botocore.config import Config

            config = Config(connect_timeout=10, read_timeout=60, retries={"mode": "standard", "max_attempts": 3})
            self._made = _boto3().client("s3", endpoint_url=self._endpoint_url or None, config=config)
        return self._made

    def _head(self, uri: str, place: _Place) -> Sequence[SourceObject]:
        pin = {"VersionId": place.version_id} if place.version_id else {}
        with _errors(uri):
            answer = self._client().head_object(Bucket=place.bucket, Key=place.key, **pin)
        version = answer.get("VersionId", "null")
        name = place.key.rpartition("/")[2]
        return [SourceObject(name, answer["ContentLength"], answer["ETag"] if version == "null" else version)]

    def _list_prefix(self, uri: str, place: _Place) -> Sequence[SourceObject]:
        items = []
        with _errors(uri):
            pages = self._client().get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=place.key)
            for entry in (entry for page in pages for entry in page.get("Contents", ())):
                if entry["Key"].endswith("/"):
                    continue
                items.append(SourceObject(entry["Key"][len(place.key) :], entry["Size"], entry["ETag"]))
                if len(items) > MAX_OBJECTS:
                    raise TooLarge(f"{without_query(uri)} has more than {MAX_OBJECTS} objects")
        return items

    def _get(self, uri: str, **request: str) -> Any:
        with _errors(uri):
            return self._client().get_object(**request)

    def _too_large(self, uri: str) -> TooLarge:
        return TooLarge(f"{without_query(uri)} has more than {self._max_bytes} bytes")


def _boto3() -> Any:
    try:
        import boto3
    except ImportError:
        raise NotSupported("s3:// needs boto3, which is not installed", remedy="pip install 'slipway[s3]'") from None
    return boto3


def _translated(uri: str, call: Callable[[int], T], size: int) -> T:
    with _errors(uri):
        return call(size)


@contextmanager
def _errors(uri: str) -> Iterator[None]:
    """shared.errors instead of botocore's and urllib3's."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ClientError as error:
        raise _translate(uri, error.response) from None
    except (NoCredentialsError, PartialCredentialsError):
        raise Permanent(
            "there are no credentials for S3", remedy="give boto3 some: a role, AWS_PROFILE, or AWS_ACCESS_KEY_ID"
        ) from None
    except (BotoCoreError, HTTPError, OSError) as error:
        raise Retryable(f"{without_query(uri)} could not be read: {type(error).__name__}") from None


def _translate(uri: str, response: Any) -> Permanent | Conflict | Retryable:
    code, shown = response["Error"].get("Code", ""), without_query(uri)
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _NOT_FOUND:
        return NotFound(f"{shown} was not found")
    if code in ("PreconditionFailed", "412"):
        return Conflict(f"{shown} changed while it was read")
    if code in _RETRYABLE or status >= 500 or status == 429:
        return Retryable(f"{shown} cannot be read now: {code}")
    if status in (401, 403):
        return Permanent(f"{shown} may not be read: {code}", remedy="allow s3:GetObject and s3:ListBucket")
    return Invalid(f"{shown} is not accepted by S3: {code}")
