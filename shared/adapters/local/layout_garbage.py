"""Removing images of a layout that nobody needs any more, with the blobs that belong to no other image."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from shared.adapters.local.builds import LocalBuilds
from shared.adapters.local.layout_locks import index_alone, out_of_use
from shared.packaging.descriptor import Descriptor
from shared.packaging.layout import blob_path, read_index, ref_name, write_entries
from shared.packaging.reachable import blobs_of
from shared.packaging.referrers import is_referrers_tag, referrers_tag

LEFTOVERS = (".partial-*", ".work-*", ".building-*")  # of builds that died


def collect_layout(layout: Path, builds: LocalBuilds, keep: Collection[str], before: datetime) -> tuple[str, ...]:
    """Remove what is tagged otherwise than with one of `keep` and was last used before that time, with its artifacts,
    its build's log and the blobs that nothing else has; which tags. () while anybody builds in the layout: the next
    collection finds it too. The index comes first, so that one that is killed leaves blobs, and never an image without
    some."""
    if not (layout / "index.json").exists():
        return ()
    with out_of_use(layout) as alone:
        if not alone:
            return ()
        with index_alone(layout):
            entries = read_index(layout)
            kept, gone = _divided(layout, entries, keep, before.timestamp())
            if len(kept) < len(entries):
                write_entries(layout, kept)
        _remove_blobs(layout, kept, before.timestamp())
        _remove_leftovers(layout)
        for tag in gone:
            builds.forget(tag)
    return tuple(sorted(gone))


def used_now(layout: Path, digest: str) -> None:
    """Note that the image with this manifest is used, so that a collection lets it be for a while."""
    os.utime(blob_path(layout, digest))


def _divided(
    layout: Path, entries: Iterable[dict[str, Any]], keep: Collection[str], before_s: float
) -> tuple[list[dict[str, Any]], list[str]]:
    """The entries that stay, and the tags of those that go. Lists of artifacts stay with what they are about."""
    images = [entry for entry in entries if not is_referrers_tag(ref_name(entry))]
    going = [one for one in images if ref_name(one) not in keep and _is_old(layout, one["digest"], before_s)]
    kept = [one for one in images if one not in going]
    subjects = {referrers_tag(digest) for digest in _digests(layout, kept)}
    kept += [entry for entry in entries if ref_name(entry) in subjects]
    return kept, [ref_name(one) or one["digest"] for one in going]


def _digests(layout: Path, entries: Iterable[dict[str, Any]]) -> set[str]:
    return {blob.digest for entry in entries for blob in blobs_of(layout, Descriptor.parse(entry, str(layout)))}


def _is_old(layout: Path, digest: str, before_s: float) -> bool:
    path = blob_path(layout, digest)
    return not path.exists() or path.stat().st_mtime < before_s


def _remove_blobs(layout: Path, kept: Iterable[dict[str, Any]], before_s: float) -> None:
    needed = {digest.removeprefix("sha256:") for digest in _digests(layout, kept)}
    for blob in (layout / "blobs" / "sha256").glob("*"):
        if blob.name not in needed and blob.stat().st_mtime < before_s:
            blob.unlink()
    for note in (layout / "layers").glob("[0-9a-f]*"):  # of layers that were made before
        if not blob_path(layout, json.loads(note.read_text())["digest"]).exists():
            note.unlink()


def _remove_leftovers(layout: Path) -> None:
    for left in (found for pattern in LEFTOVERS for found in layout.glob(pattern)):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)
