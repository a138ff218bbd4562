"""The datastores that declarations may name, from the settings."""

from __future__ import annotations

from functools import cache

from shared.resources.datastore import DATASTORES, BlobDatastore, LakeDatastore
from shared.setting_lists import load_named

SETTING = "SLIPWAY_DATASTORES"
Datastores = dict[str, BlobDatastore | LakeDatastore]


@cache
def load_datastores(setting: str) -> Datastores:
    """The datastores in `setting` (a file's path, or JSON that starts with `[`), by name; {} when it is empty. Raises
    Invalid with every fault; the faults never hold a value."""
    return load_named(SETTING, setting, "datastores", DATASTORES)
