"""Event Grid, Microsoft.Storage.BlobCreated: uploads, declared files, collected data.

The parameter is a str because that takes both the Event Grid and the CloudEvents schema.
"""

import json

import azure.functions as func

from functions import control_plane

bp = func.Blueprint()


@bp.function_name("storage_event")
@bp.event_grid_trigger(arg_name="event")
async def storage_event(event: str) -> None:
    """A blob was created."""
    await control_plane().storage_event(json.loads(event))
