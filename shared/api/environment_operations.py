"""The REST operations of environments."""

from __future__ import annotations

from shared.api import environments as handlers
from shared.api.documents import environments as doc
from shared.api.operation import PAGING, Operation

_VERSION = "environments/{name}/versions/{version}"

ENVIRONMENTS = (
    Operation(
        "list_environments",
        "GET",
        "environments",
        handlers.list_environments,
        {200: doc.EnvironmentVersionPage},
        (400, 422),
        query=("outdated", *PAGING),
    ),
    Operation(
        "check_environments",
        "POST",
        "environments/outdated",
        handlers.check_environments,
        {200: doc.EnvironmentCheck},
        (),
    ),
    Operation(
        "list_environment_versions",
        "GET",
        "environments/{name}/versions",
        handlers.list_environment_versions,
        {200: doc.EnvironmentVersionPage},
        (400, 404, 422),
        query=PAGING,
    ),
    Operation(
        "get_environment_version",
        "GET",
        _VERSION,
        handlers.get_environment_version,
        {200: doc.EnvironmentVersion},
        (404,),
    ),
    Operation(
        "get_environment_lock",
        "GET",
        f"{_VERSION}/lock",
        handlers.get_environment_lock,
        {200: doc.EnvironmentText},
        (404,),
    ),
    Operation(
        "get_environment_bill",
        "GET",
        f"{_VERSION}/bill",
        handlers.get_environment_bill,
        {200: doc.EnvironmentBill},
        (404,),
    ),
    Operation(
        "get_environment_log",
        "GET",
        f"{_VERSION}/log",
        handlers.get_environment_log,
        {200: doc.EnvironmentText},
        (404,),
    ),
    Operation(
        "diff_environment_versions",
        "GET",
        f"{_VERSION}/diff",
        handlers.diff_environment_versions,
        {200: doc.EnvironmentDiff},
        (404,),
        query=("from",),
    ),
    Operation(
        "upgrade_environment",
        "POST",
        "environments/{name}/upgrade",
        handlers.upgrade_environment,
        {202: doc.EnvironmentVersion},
        (404,),
    ),
    Operation(
        "build_environment",
        "POST",
        f"{_VERSION}/build",
        handlers.build_environment,
        {202: doc.EnvironmentVersion},
        (404,),
    ),
    Operation(
        "cancel_environment_build",
        "POST",
        f"{_VERSION}/cancel",
        handlers.cancel_environment_build,
        {202: doc.EnvironmentVersion},
        (404, 422),
    ),
)
