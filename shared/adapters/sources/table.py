"""Which source a URI is read with."""

from __future__ import annotations

from shared.errors import Invalid
from shared.ports import ModelSource
from shared.settings import Settings
from shared.sources.uris import without_query

SCHEMES = ("https", "s3")


def open_source(uri: str, settings: Settings, max_bytes: int) -> ModelSource:
    """The source for the URI's scheme, which brings at most max_bytes. Raises Invalid for a scheme without one (`http`
    is for hosts on this machine, listed as http://host:port), NotSupported when a package is not installed."""
    scheme = uri.partition("://")[0] if "://" in uri else ""
    if scheme in ("https", "http"):
        from shared.adapters.sources.https import HttpsSource

        return HttpsSource(
            settings.model_source_hosts,
            max_bytes=max_bytes,
            allow_loopback=settings.model_source_allow_loopback,
        )
    if scheme == "s3":
        from shared.adapters.sources.s3 import S3Source

        return S3Source(
            settings.model_source_buckets,
            max_bytes=max_bytes,
            endpoint_url=settings.s3_endpoint_url,
        )
    shown = without_query(uri)
    known = (*(f"{name}://" for name in SCHEMES), "azureml://datastores/", "wasbs://", "abfss://")
    raise Invalid(f"files are not brought from {shown!r} (allowed: {', '.join(known)})")
