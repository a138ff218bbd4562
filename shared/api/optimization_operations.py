"""The REST operations of optimisations."""

from __future__ import annotations

from shared.api import optimizations as handlers
from shared.api.documents import optimizations as doc
from shared.api.operation import BODY_ERRORS, PAGING, Operation

OPTIMIZATIONS = (
    Operation(
        "optimize_model",
        "POST",
        "models/{name}/versions/{version}/optimize",
        handlers.optimize_model,
        {202: doc.Optimization},
        (*BODY_ERRORS, 404),
        doc.OptimizationRequested,
    ),
    Operation(
        "list_optimizations",
        "GET",
        "optimizations",
        handlers.list_optimizations,
        {200: doc.OptimizationPage},
        (400, 422),
        query=PAGING,
    ),
    Operation(
        "get_optimization",
        "GET",
        "optimizations/{optimization_id}",
        handlers.get_optimization,
        {200: doc.Optimization},
        (404,),
    ),
    Operation(
        "cancel_optimization",
        "POST",
        "optimizations/{optimization_id}/cancel",
        handlers.cancel_optimization,
        {202: doc.Optimization},
        (404, 422),
    ),
)
