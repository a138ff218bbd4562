"""Which folders of a data folder are watched as Event Grid watches the storage account's containers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from shared.errors import Invalid
from shared.local_host.upload_watcher import UploadWatcher
from shared.resources.events import Event

# What signed URLs write to `staging` concerns nobody until it is registered.
CONTAINERS = ("uploads", "config", "collected")
WATCHED_SUBJECTS = tuple(f"/blobServices/default/containers/{name}/" for name in CONTAINERS)
SETTLE_VARIABLE = "SLIPWAY_COLLECTED_SETTLE_S"  # the control plane's setting: nothing hears of files earlier for it
# Files of collected data: that of this hour grows all the time, and those of hours that are over stay there.
COLLECTED_SETTLE_S, COLLECTED_POLL_S, COLLECTED_INTERVAL_S = 30.0, 5.0, 300.0


def watchers(
    data_dir: Path, on_blob_created: Callable[[Event], Awaitable[None]], environ: Mapping[str, str]
) -> list[UploadWatcher]:
    """One for each. A file that is collected is announced when nothing was written to it for half a minute, however
    often something is. Raises Invalid for a setting that is no number."""
    settle_s = min(COLLECTED_SETTLE_S, _settle_s(environ))
    dropped = [UploadWatcher(data_dir, on_blob_created, container=name) for name in CONTAINERS[:2]]
    collected = UploadWatcher(
        data_dir,
        on_blob_created,
        container=CONTAINERS[2],
        poll_s=min(COLLECTED_POLL_S, max(settle_s, 0.25)),
        settle_s=settle_s,
        max_interval_s=COLLECTED_INTERVAL_S,
    )
    return [*dropped, collected]


def _settle_s(environ: Mapping[str, str]) -> float:
    text = environ.get(SETTLE_VARIABLE) or str(COLLECTED_SETTLE_S)
    try:
        return float(text)
    except ValueError as error:
        raise Invalid(f"{SETTLE_VARIABLE} is {text!r}: a number is allowed") from error
