"""Paths that come from outside: '/'-separated, relative, and never out of the folder they are relative to."""

from __future__ import annotations

import posixpath
import re

MAX_PATH_CHARACTERS = 1024  # Azure Storage, "Naming and referencing containers, blobs, and metadata"
MAX_PART_BYTES = 255  # of common file systems
PATH_RULE = (
    "1 to 1024 characters in parts separated by '/'; a part is 1 to 255 bytes of UTF-8 that does not start with '.' "
    "and holds no backslash and no control character"
)
RUN_PREFIXES = ("runs:/", "azureml://jobs/")
STORAGE_PREFIXES = ("azureml://datastores/", "azureml://subscriptions/", "wasbs://", "abfss://")
REMOTE_PREFIXES = ("https://", "http://", "s3://", *STORAGE_PREFIXES, *RUN_PREFIXES)
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")
_NOT_A_PATH = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*:")  # https://..., azureml:name:1, C:


def is_valid_path(path: str) -> bool:
    """Whether `path` keeps PATH_RULE as it stands ('..', '.', empty parts and a leading slash break it)."""
    return len(path) <= MAX_PATH_CHARACTERS and all(is_valid_part(part) for part in path.split("/"))


def is_valid_part(part: str) -> bool:
    """Whether one name between slashes keeps PATH_RULE; names that start with '.' are hidden and temporary files."""
    if not part or part.startswith(".") or _CONTROL.search(part):
        return False
    try:
        return len(part.encode()) <= MAX_PART_BYTES
    except UnicodeEncodeError:  # a file's name that is not UTF-8
        return False


def normal_path(path: str) -> str | None:
    """`path` without './' and doubled or trailing slashes, "" for the folder itself; None for what is no path into the
    folder (a URL, a reference, an absolute path, one with '..')."""
    if path.startswith("/") or _NOT_A_PATH.match(path):
        return None
    normal = posixpath.normpath(path) if path else "."
    if normal == ".":
        return ""
    return normal if is_valid_path(normal) else None


def is_under(path: str, folder: str) -> bool:
    """Whether `path` is `folder` itself or inside it; everything is inside ""."""
    return not folder or path == folder or path.startswith(folder + "/")


def is_remote(path: str) -> bool:
    """Whether it names files somewhere else: a URL, a bucket, a datastore, a run's artifacts."""
    return path.startswith(REMOTE_PREFIXES)


def is_run_uri(path: str) -> bool:
    """Whether it names files of a registered run."""
    return path.startswith(RUN_PREFIXES)
