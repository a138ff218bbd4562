"""The table of REST operations: the OpenAPI document is made of it; functions/rest_api.py has a function for each."""

from __future__ import annotations

from shared.api import documents as doc
from shared.api import governance, model_lifecycle, models, operate, runs
from shared.api import lineage_documents as lineage_doc
from shared.api.data_operations import DATA
from shared.api.declared_operations import DECLARED, SYNCS
from shared.api.endpoint_operations import ENDPOINTS, ROLLOUTS
from shared.api.environment_operations import ENVIRONMENTS
from shared.api.image_operations import IMAGES
from shared.api.monitor_operations import MONITOR_RUNS
from shared.api.operation import BODY_ERRORS, PAGING, Operation
from shared.api.optimization_operations import OPTIMIZATIONS
from shared.api.profile_operations import PROFILES
from shared.api.search import RUN_SEARCH, SEARCH
from shared.resources.lineage import Lineage
from shared.resources.patches import ModelPatch
from shared.resources.run import RunDeclaration

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
        (*BODY_ERRORS, 404, 412),
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
        "get_automation_policy",
        "GET",
        "policies/automation",
        governance.get_automation_policy,
        {200: doc.PolicyText},
        (404, 422),
    ),
    Operation(
        "test_model_policy",
        "POST",
        "policies/model/test",
        governance.test_model_policy,
        {200: doc.PolicyTestPage},
        (*BODY_ERRORS, 404),
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
        BODY_ERRORS,
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
        BODY_ERRORS,
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
            BODY_ERRORS,
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
            (*BODY_ERRORS, 404),  # 404: what this upload registered before was deleted since
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
            (*BODY_ERRORS, 404, 412, 428),
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
            (*BODY_ERRORS, 501),
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
        *DATA,
        *ENVIRONMENTS,
        *IMAGES,
        *PROFILES,
        *MONITOR_RUNS,
        *OPTIMIZATIONS,
        *ENDPOINTS,
        *ROLLOUTS,
        *SYNCS,
    )
}
