"""The REST operations of data assets."""

from __future__ import annotations

from shared.api import data_assets as handlers
from shared.api.documents import data as doc
from shared.api.operation import PAGING, Operation

_VERSION = "data/{name}/versions/{version}"

DATA = (
    Operation("list_data", "GET", "data", handlers.list_data, {200: doc.DataVersionPage}, (400, 422), query=PAGING),
    Operation(
        "list_data_versions",
        "GET",
        "data/{name}/versions",
        handlers.list_data_versions,
        {200: doc.DataVersionPage},
        (400, 404, 422),
        query=PAGING,
    ),
    Operation("get_data_version", "GET", _VERSION, handlers.get_data_version, {200: doc.DataVersion}, (404,)),
    Operation(
        "get_data_profile", "GET", f"{_VERSION}/profile", handlers.get_data_profile, {200: doc.DataProfileFound}, (404,)
    ),
    Operation(
        "profile_data_version",
        "POST",
        f"{_VERSION}/profile",
        handlers.profile_data_version,
        {202: doc.DataVersion},
        (404,),
    ),
)
