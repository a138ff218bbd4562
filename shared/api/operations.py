"""The table of REST operations: the OpenAPI document is made of it; functions/rest_api.py has a function for each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from shared.api import applying, governance, model_lifecycle, models, operate, runs, syncs
from shared.api import documents as doc
from shared.api import lineage_documents as lineage_doc
from shared.api.message import ApiRequest, ApiResponse
from shared.api.search import RUN_SEARCH, SEARCH
from shared.bootstrap import ControlPlane
from shared.resources.base import Document
from shared.resources.lineage import Lineage
from shared.resources.patches import ModelPatch
from shared.resources.run import RunDeclaration

Handler = Callable[[ApiRequest, ControlPlane], Awaitable[ApiResponse]]
PAGING = ("limit", "continuation")


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the API."""

    id: str  # the function's name
    method: str
    path: str  # below /api/
    handler: Handler
    answers: dict[int, type[Document] | None]  # what success looks like
    errors: tuple[int, ...] = ()  # besides 401 and 503
    body: type[Document] | None = None
    body_types: tuple[str, ...] = ("application/json",)
    query: tuple[str, ...] = ()
    if_match: bool = False
    anonymous: bool = False


_BODY = (400, 413, 415, 422)

DECLARED = (
    Operation(
        "apply_files",
        "POST",
        "apply",
        applying.apply_files,
        {200: doc.Applied},
        (*_BODY, 404),
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
    Operation("start_sync", "POST", "syncs", syncs.start_sync, {202: doc.Sync}, (*_BODY, 404), doc.SyncRequest),
)
LIFECYCLE = (
    Operation(
        "delete_model_version",
        "DELETE",
        "models/{name}/versions/{version}",
        model_lifecycle.delete_model_version,
        {204: None},
        (404, 409),
    ),
    Operation(
        "archive_model_version",
        "POST",
        "models/{name}/versions/{version}/archive",
        model_lifecycle.archive_model_version,
        {200: doc.ModelVersion},
        (404,),
    ),
    Operation(
        "restore_model_version",
        "POST",
        "models/{name}/versions/{version}/restore",
        model_lifecycle.restore_model_version,
        {200: doc.ModelVersion},
        (404,),
    ),
    Operation(
        "archive_model",
        "POST",
        "models/{name}/archive",
        model_lifecycle.archive_model,
        {200: doc.ModelSummary},
        (404,),
    ),
    Operation(
        "restore_model",
        "POST",
        "models/{name}/restore",
        model_lifecycle.restore_model,
        {200: doc.ModelSummary},
        (404,),
    ),
    Operation(
        "set_model_label",
        "PUT",
        "models/{name}/labels/{label}",
        model_lifecycle.set_model_label,
        {200: doc.ModelVersion},
        (*_BODY, 404, 412),
        doc.LabelRequest,
    ),
    Operation(
        "remove_model_label",
        "DELETE",
        "models/{name}/labels/{label}",
        model_lifecycle.remove_model_label,
        {204: None},
        (404, 422),
    ),
)
GOVERNANCE = (
    Operation("get_model_policy", "GET", "policies/model", governance.get_model_policy, {200: doc.PolicyText}, (404,)),
    Operation(
        "test_model_policy",
        "POST",
        "policies/model/test",
        governance.test_model_policy,
        {200: doc.PolicyTestPage},
        (*_BODY, 404),
        doc.PolicyTestRequest,
        query=PAGING,
    ),
    Operation(
        "list_audit",
        "GET",
        "audit",
        governance.list_audit,
        {200: doc.HistoryPage},
        (400, 422),
        query=("since", *PAGING),
    ),
    Operation(
        "list_audit_heads",
        "GET",
        "audit/heads",
        governance.list_audit_heads,
        {200: doc.AuditHeadPage},
        (400, 422),
        query=PAGING,
    ),
    Operation(
        "collect_garbage",
        "POST",
        "artifacts/collect",
        governance.collect_garbage,
        {200: doc.CollectionDone},
        _BODY,
        doc.CollectionRequest,
    ),
)
RUNS = (
    Operation(
        "put_run",
        "PUT",
        "runs/{run_id}",
        runs.put_run,
        {200: lineage_doc.Run, 201: lineage_doc.Run},
        _BODY,
        RunDeclaration,
    ),
    Operation("list_runs", "GET", "runs", runs.list_runs, {200: lineage_doc.RunPage}, (400, 422), query=RUN_SEARCH),
    Operation("get_run", "GET", "runs/{run_id}", runs.get_run, {200: lineage_doc.Run}, (404,)),
    Operation(
        "get_model_lineage",
        "GET",
        "models/{name}/versions/{version}/lineage",
        runs.get_model_lineage,
        {200: Lineage},
        (400, 404),
        query=("depth",),
    ),
)

OPERATIONS: dict[str, Operation] = {
    operation.id: operation
    for operation in (
        Operation("health", "GET", "health", operate.health, {200: doc.Health, 503: doc.Health}, anonymous=True),
        Operation(
            "create_upload",
            "POST",
            "uploads",
            models.create_upload,
            {201: doc.UploadSession},
            _BODY,
            doc.UploadSessionRequest,
        ),
        Operation(
            "list_uploads", "GET", "uploads", models.list_uploads, {200: doc.UploadPage}, (400, 422), query=PAGING
        ),
        Operation("get_upload", "GET", "uploads/{upload_id}", models.get_upload, {200: doc.Upload}, (404,)),
        Operation(
            "register_model",
            "POST",
            "models",
            models.register_model,
            {200: doc.ModelVersion, 201: doc.ModelVersion, 202: doc.Upload},
            (*_BODY, 404),  # 404: what this upload registered before was deleted since
            doc.RegisterRequest,
        ),
        Operation("list_models", "GET", "models", models.list_models, {200: doc.ModelPage}, (400, 422), query=SEARCH),
        Operation("get_model", "GET", "models/{name}", models.get_model, {200: doc.ModelSummary}, (404,)),
        Operation(
            "search_model_versions",
            "GET",
            "model-versions",
            models.search_model_versions,
            {200: doc.ModelVersionPage},
            (400, 422),
            query=SEARCH,
        ),
        Operation(
            "list_model_versions",
            "GET",
            "models/{name}/versions",
            models.list_model_versions,
            {200: doc.ModelVersionPage},
            (400, 404, 422),
            query=SEARCH,
        ),
        Operation(
            "get_model_version",
            "GET",
            "models/{name}/versions/{version}",
            models.get_model_version,
            {200: doc.ModelVersion},
            (404,),
        ),
        Operation(
            "update_model_version",
            "PATCH",
            "models/{name}/versions/{version}",
            models.update_model_version,
            {200: doc.ModelVersion},
            (*_BODY, 404, 412, 428),
            ModelPatch,
            ("application/merge-patch+json", "application/json"),
            if_match=True,
        ),
        *LIFECYCLE,
        Operation(
            "list_model_history",
            "GET",
            "models/{name}/versions/{version}/history",
            models.list_model_history,
            {200: doc.HistoryPage},
            (400, 404, 422),
            query=PAGING,
        ),
        Operation(
            "download_model_file",
            "GET",
            "models/{name}/versions/{version}/files/{*path}",
            models.download_model_file,
            {302: None},
            (404,),
        ),
        Operation(
            "list_events",
            "GET",
            "events",
            operate.list_events,
            {200: doc.EventPage},
            (400, 422),
            query=("type", "subject_prefix", "since", *PAGING),
        ),
        Operation(
            "list_subscriptions", "GET", "subscriptions", operate.list_subscriptions, {200: doc.SubscriptionPage}
        ),
        Operation(
            "put_subscription",
            "PUT",
            "subscriptions/{name}",
            operate.put_subscription,
            {200: doc.SubscriptionDocument, 201: doc.SubscriptionDocument},
            (*_BODY, 501),
            doc.SubscriptionRequest,
        ),
        Operation(
            "delete_subscription",
            "DELETE",
            "subscriptions/{name}",
            operate.delete_subscription,
            {204: None},
            (404, 422),
        ),
        Operation(
            "list_resource_history",
            "GET",
            "resources/{kind}/{name}/history",
            operate.list_resource_history,
            {200: doc.HistoryPage},
            (400, 404, 422),
            query=PAGING,
        ),
        Operation(
            "reconcile_resource",
            "POST",
            "resources/{kind}/{name}/reconcile",
            operate.reconcile,
            {202: doc.Reconciling},
            (404, 422),
            query=("version",),
        ),
        *GOVERNANCE,
        *RUNS,
        *DECLARED,
        *SYNCS,
    )
}
