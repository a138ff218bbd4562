"""The function app. It registers the Blueprints; nothing else."""

import azure.functions as func

from functions import http_auth_level, lifecycle_events, registry_api, rest_api, run_api, storage_events, timers, work

app = func.FunctionApp(http_auth_level=http_auth_level())

for blueprint in (storage_events.bp, lifecycle_events.bp, work.bp, timers.bp, rest_api.bp, registry_api.bp, run_api.bp):
    app.register_functions(blueprint)
