"""A deployment's `data_collector` as the settings of the scoring server; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.errors import Invalid

PREFIX = "SLIPWAY_SCORING_"
PLACES = (f"{PREFIX}COLLECT_URL", f"{PREFIX}COLLECT_DIR")
_URLS = ("https://", "az://")


def collecting_environ(said: Mapping[str, Any], name: str, model_version: str) -> dict[str, str]:
    """Variables by name; {} when nothing is collected. Without one of PLACES the target says where it goes: the data
    assets of a datastore have their place there. Raises Invalid for places that differ, and for a URL with a SAS."""
    wanted = said.get("data_collector") or {}
    enabled = {
        collection: each
        for collection, each in (wanted.get("collections") or {}).items()
        if str(each.get("enabled")).lower() == "true"
    }
    if not enabled:
        return {}
    environ = {
        f"{PREFIX}COLLECTIONS": ",".join(sorted(enabled)),
        f"{PREFIX}ENDPOINT": str(said.get("endpoint_name") or "local"),
        f"{PREFIX}DEPLOYMENT": name,
        f"{PREFIX}MODEL_VERSION": model_version or "1",
    }
    if (rate := wanted.get("sampling_rate")) is not None:
        environ[f"{PREFIX}COLLECT_PERCENT"] = f"{100 * float(rate):g}"
    if roll := wanted.get("rolling_rate"):
        environ[f"{PREFIX}COLLECT_ROLL"] = str(roll).lower()
    if headers := (wanted.get("request_logging") or {}).get("capture_headers"):
        environ[f"{PREFIX}COLLECT_HEADERS"] = ",".join(headers)
    if url := _url(enabled):
        environ[f"{PREFIX}COLLECT_URL"] = url
    return environ


def _url(enabled: Mapping[str, Mapping[str, Any]]) -> str:
    paths = {name: str((each.get("data") or {}).get("path") or "") for name, each in enabled.items() if _is_named(each)}
    urls = {path.rstrip("/") for path in paths.values() if path.startswith(_URLS)}
    if len(urls) > 1:
        raise Invalid(
            f"the collections go to different places: {', '.join(sorted(url.partition('?')[0] for url in urls))}",
            remedy="give all of them one container; each has its own folder there",
        )
    url = next(iter(urls), "")
    if "?" in url:
        raise Invalid(
            "data_collector names a URL with a query: a SAS does not belong in a declaration",
            remedy="mount it and name the file in environment_variables: SLIPWAY_SCORING_COLLECT_SAS_FILE",
        )
    return url


def _is_named(collection: Mapping[str, Any]) -> bool:
    return isinstance(collection.get("data"), Mapping)
