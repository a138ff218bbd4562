"""The functions: parse, one call, return. What they call is imported at the first invocation, not at start."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import azure.functions as func

    from shared.bootstrap import ControlPlane


def http_auth_level() -> func.AuthLevel:
    """Function keys; with Easy Auth on, its tokens instead: the host would ask for a key besides, so it asks for
    nothing and shared.api.dispatch refuses whoever is not signed in."""
    import os

    import azure.functions as func

    signed_in = os.environ.get("WEBSITE_AUTH_ENABLED", "").lower() == "true"
    return func.AuthLevel.ANONYMOUS if signed_in else func.AuthLevel.FUNCTION


def control_plane() -> ControlPlane:
    """This process's control plane."""
    from shared.bootstrap import control_plane as made

    return made()


async def answer(operation_id: str, request: func.HttpRequest) -> func.HttpResponse:
    """Call a REST operation and give its answer the host's form."""
    import uuid

    import azure.functions as func

    from shared.api import dispatch
    from shared.api.message import ApiRequest

    headers = {name.lower(): value for name, value in request.headers.items()}
    own_id = headers.get("x-ms-client-request-id", "")[:64]
    plane = control_plane()
    asked = ApiRequest(
        method=request.method,
        url=request.url,
        headers=headers,
        query=dict(request.params),
        route=dict(request.route_params),
        body=request.get_body(),
        request_id=own_id if own_id.isascii() and own_id.isprintable() and own_id else str(uuid.uuid4()),
        easy_auth=plane.deps.settings.easy_auth,
    )
    given = await dispatch.answer(operation_id, asked, plane)
    return func.HttpResponse(
        given.body(),
        status_code=given.status,
        headers={**given.headers, "x-ms-request-id": asked.request_id},
        mimetype=given.media_type,
    )
