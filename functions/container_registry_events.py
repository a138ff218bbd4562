"""Event Grid, Microsoft.ContainerRegistry.ImagePushed: builds that are done, and base images that changed."""

import json

import azure.functions as func

from functions import control_plane

bp = func.Blueprint()


@bp.function_name("container_registry_event")
@bp.event_grid_trigger(arg_name="event")
async def container_registry_event(event: str) -> None:
    """An image was pushed."""
    await control_plane().container_registry_event(json.loads(event))
