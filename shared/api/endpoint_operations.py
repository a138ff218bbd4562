"""The REST operations of online endpoints and rollouts."""

from __future__ import annotations

from shared.api import endpoints as handlers
from shared.api.documents import endpoints as doc
from shared.api.documents.plans import EndpointPlan
from shared.api.operation import BODY_ERRORS, PAGING, Operation

ENDPOINTS = (
    Operation(
        "list_endpoints",
        "GET",
        "endpoints",
        handlers.list_endpoints,
        {200: doc.OnlineEndpointPage},
        (400, 422),
        query=PAGING,
    ),
    Operation("get_endpoint", "GET", "endpoints/{name}", handlers.get_endpoint, {200: doc.OnlineEndpoint}, (404,)),
    Operation(
        "patch_endpoint_traffic",
        "PATCH",
        "endpoints/{name}/traffic",
        handlers.patch_endpoint_traffic,
        {200: doc.OnlineEndpoint},
        (*BODY_ERRORS, 404),
        doc.TrafficPatch,
    ),
    Operation(
        "rollback_endpoint",
        "POST",
        "endpoints/{name}/rollback",
        handlers.rollback_endpoint,
        {202: doc.OnlineEndpoint},
        (404, 422),
    ),
    Operation(
        "get_endpoint_credentials",
        "POST",
        "endpoints/{name}/credentials",
        handlers.get_endpoint_credentials,
        {200: doc.EndpointAuth},
        (404, 422, 501),
    ),
    Operation(
        "regenerate_endpoint_key",
        "POST",
        "endpoints/{name}/regenerate-key",
        handlers.regenerate_endpoint_key,
        {202: doc.OnlineEndpoint},
        (*BODY_ERRORS, 404, 501),
        doc.RegenerateKey,
    ),
    Operation(
        "get_endpoint_plan",
        "GET",
        "endpoints/{name}/plan",
        handlers.get_endpoint_plan,
        {200: EndpointPlan},
        (404, 422, 501),
    ),
    Operation(
        "get_deployment_logs",
        "GET",
        "endpoints/{name}/deployments/{deployment}/logs",
        handlers.get_deployment_logs,
        {200: doc.DeploymentLogs},
        (404, 501),
    ),
)
ROLLOUTS = (
    Operation(
        "start_rollout",
        "POST",
        "rollouts",
        handlers.start_rollout,
        {202: doc.Rollout},
        (*BODY_ERRORS, 404, 409),
        doc.RolloutRequested,
    ),
    Operation(
        "list_rollouts", "GET", "rollouts", handlers.list_rollouts, {200: doc.RolloutPage}, (400, 422), query=PAGING
    ),
    Operation("get_rollout", "GET", "rollouts/{name}", handlers.get_rollout, {200: doc.Rollout}, (404,)),
    *(
        Operation(
            f"{action}_rollout",
            "POST",
            f"rollouts/{{name}}/{action}",
            getattr(handlers, f"{action}_rollout"),
            {202: doc.Rollout},
            (404, 422),
        )
        for action in ("pause", "resume", "approve", "abort", "undo")
    ),
)
