"""The function app. It registers the Blueprints; nothing else."""

import azure.functions as func

from functions import (
    container_registry_events,
    data_api,
    declared_api,
    endpoint_api,
    environment_api,
    git_events,
    http_auth_level,
    image_api,
    lifecycle_events,
    monitor_api,
    optimization_api,
    profile_api,
    registry_api,
    rest_api,
    run_api,
    storage_events,
    timers,
    work,
)

app = func.FunctionApp(http_auth_level=http_auth_level())

MODULES = (
    *(storage_events, lifecycle_events, git_events, container_registry_events, work, timers),
    *(
        rest_api,
        registry_api,
        run_api,
        declared_api,
        data_api,
        environment_api,
        image_api,
        monitor_api,
        profile_api,
        optimization_api,
        endpoint_api,
    ),
)

for module in MODULES:
    app.register_functions(module.bp)
