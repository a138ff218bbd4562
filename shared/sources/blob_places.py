"""Which container of Azure Storage a URI names; pure. Only containers of configured datastores are read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from shared.datastore_settings import SETTING, Datastores
from shared.errors import Invalid
from shared.resources.datastore import BlobDatastore, LakeDatastore
from shared.resources.references import DatastorePath, parse_reference
from shared.sources.uris import without_query

_HADOOP = re.compile(r"(wasbs|abfss)://([^@/?#]+)@([a-z0-9]+)\.(?:blob|dfs)\.([a-z0-9.-]+?)(?:/([^?#]*))?\Z")
_WEB = re.compile(r"https://([a-z0-9]+)\.(?:blob|dfs)\.([a-z0-9.-]+)/([^/?#]+)(?:/([^?#]*))?\Z")
FORMS = (
    "azureml://datastores/NAME/paths/PATH, wasbs://CONTAINER@ACCOUNT.blob.core.windows.net/PATH, "
    "abfss://FILESYSTEM@ACCOUNT.dfs.core.windows.net/PATH"
)


@dataclass(frozen=True, slots=True)
class BlobPlace:
    """A blob, or all below a prefix."""

    account_url: str
    container: str
    path: str  # without a slash in front; "" is the whole container


def blob_place(uri: str, datastores: Datastores) -> BlobPlace | None:
    """Where the URI's blobs are; None for one that is not read as Azure Storage (a web address of a container that is
    no datastore may be a public file). Raises Invalid for a container or a datastore that is not configured."""
    if uri.startswith("azureml://"):
        return _by_name(uri, datastores)
    if uri.startswith(("wasbs://", "abfss://")):
        found = _HADOOP.match(uri)
        if found is None:
            raise Invalid(f"{without_query(uri)} is not accepted", remedy=f"write {FORMS}")
        account, endpoint, container, path = found[3], found[4], found[2], found[5] or ""
        if (datastore := _trusted(datastores.values(), account, endpoint, container)) is None:
            raise Invalid(
                f"the container {container[:63]} of {account[:24]} is not read: it is no datastore",
                remedy=f"add it to the setting {SETTING}, where it is trusted; {_known(datastores)}",
            )
        return BlobPlace(datastore.account_url, container, path)
    if (found := _WEB.match(uri)) and (datastore := _trusted(datastores.values(), found[1], found[2], found[3])):
        return BlobPlace(datastore.account_url, found[3], unquote(found[4] or ""))
    return None


def _by_name(uri: str, datastores: Datastores) -> BlobPlace | None:
    named = parse_reference(uri)
    if not isinstance(named, DatastorePath):
        return None
    datastore = datastores.get(named.datastore)
    if datastore is None:
        raise Invalid(
            f"there is no datastore {named.datastore[:80]!r}", remedy=f"add it to {SETTING}; {_known(datastores)}"
        )
    workspace = (named.workspace or "").rpartition("/workspaces/")[2]
    if named.workspace and (not datastore.workspace or workspace.lower() != datastore.workspace.lower()):
        raise Invalid(
            f"{without_query(uri)} names the datastore of the workspace {workspace[:80]!r}",
            remedy=f"give the datastore `workspace: {workspace[:80]}` in {SETTING}, if it is that one",
        )
    return BlobPlace(datastore.account_url, datastore.container, named.path.lstrip("/"))


def _trusted(
    datastores: Iterable[BlobDatastore | LakeDatastore], account: str, endpoint: str, container: str
) -> BlobDatastore | LakeDatastore | None:
    wanted = (account, endpoint, container)
    return next((one for one in datastores if (one.account_name, one.endpoint, one.container) == wanted), None)


def _known(datastores: Datastores) -> str:
    return f"configured: {', '.join(sorted(datastores)) or 'none'}"
