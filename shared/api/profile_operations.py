"""The REST operations of profiles."""

from __future__ import annotations

from shared.api import profiles as handlers
from shared.api.documents import profiles as doc
from shared.api.operation import BODY_ERRORS, PAGING, Operation

PROFILES = (
    Operation(
        "profile_model",
        "POST",
        "models/{name}/versions/{version}/profile",
        handlers.profile_model,
        {202: doc.Profile},
        (*BODY_ERRORS, 404),
        doc.ProfileRequested,
    ),
    Operation(
        "list_profiles", "GET", "profiles", handlers.list_profiles, {200: doc.ProfilePage}, (400, 422), query=PAGING
    ),
    Operation("get_profile", "GET", "profiles/{profile_id}", handlers.get_profile, {200: doc.Profile}, (404,)),
    Operation(
        "cancel_profile",
        "POST",
        "profiles/{profile_id}/cancel",
        handlers.cancel_profile,
        {202: doc.Profile},
        (404, 422),
    ),
)
