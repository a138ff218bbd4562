"""Event Grid, Slipway's own events: they wake what reacts to them."""

import json

import azure.functions as func

from functions import control_plane

bp = func.Blueprint()


@bp.function_name("lifecycle_event")
@bp.event_grid_trigger(arg_name="event")
async def lifecycle_event(event: str) -> None:
    """Something happened to a resource."""
    await control_plane().lifecycle_event(json.loads(event))
