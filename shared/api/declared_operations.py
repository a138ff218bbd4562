"""The REST operations of declared files and of git."""

from __future__ import annotations

from shared.api import applying, syncs
from shared.api import documents as doc
from shared.api.operation import BODY_ERRORS, PAGING, Operation

DECLARED = (
    Operation(
        "apply_files",
        "POST",
        "apply",
        applying.apply_files,
        {200: doc.Applied},
        (*BODY_ERRORS, 404),
        doc.ApplyRequest,
    ),
    Operation(
        "list_declared",
        "GET",
        "resources/{kind}",
        applying.list_declared,
        {200: doc.DeclaredResourcePage},
        (400, 404, 422),
        query=PAGING,
    ),
    Operation(
        "get_declared",
        "GET",
        "resources/{kind}/{name}",
        applying.get_declared,
        {200: doc.DeclaredResource},
        (404,),
        query=("version",),
    ),
    Operation(
        "delete_declared",
        "DELETE",
        "resources/{kind}/{name}",
        applying.delete_declared,
        {204: None},
        (404, 409),
        query=("version",),
    ),
)
SYNCS = (
    Operation(
        "receive_delivery",
        "POST",
        "webhooks/{provider}",
        syncs.receive_delivery,
        {200: doc.DeliveryReceived, 202: doc.DeliveryReceived},
        (400, 401, 404, 413, 422),
        anonymous=True,
    ),
    Operation("list_syncs", "GET", "syncs", syncs.list_syncs, {200: doc.SyncPage}, (400, 422), query=PAGING),
    Operation("get_sync", "GET", "syncs/{sync_id}", syncs.get_sync, {200: doc.Sync}, (404,)),
    Operation("start_sync", "POST", "syncs", syncs.start_sync, {202: doc.Sync}, (*BODY_ERRORS, 404), doc.SyncRequest),
)
