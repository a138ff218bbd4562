"""REST: profiles of models."""

from __future__ import annotations

from shared.api.documents import profiles as doc
from shared.api.message import ApiRequest, ApiResponse
from shared.api.work import looked_at, newest_first
from shared.bootstrap import ControlPlane
from shared.packaging.profiles import ProfileAsked
from shared.resources.profile import KIND


async def profile_model(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Begin the profile of a version."""
    asked = request.json(doc.ProfileRequested)
    name, _, version = asked.environment.replace("@", ":").partition(":")
    wanted = ProfileAsked(
        (name, version or "latest"),
        asked.target_rps,
        asked.p99_ms,
        asked.max_memory_gb,
        asked.entry_script,
        asked.sample,
        asked.sample_name,
    )
    model = (request.route["name"], request.route["version"])
    return await looked_at(await plane.profiles.ask(model, wanted, request.cause), plane, "profiles", doc.Profile.of)


async def list_profiles(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Profiles, newest first."""
    return await newest_first(request, plane, KIND, doc.Profile.of)


async def get_profile(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """One profile: how far it is, and what it found."""
    found = await plane.profiles.get(request.route["profile_id"])
    return ApiResponse(200, doc.Profile.of(found).model_dump(mode="json"))


async def cancel_profile(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """End a profile."""
    found = await plane.profiles.get(request.route["profile_id"])
    return await looked_at(await plane.profiles.cancel(found, request.cause), plane, "profiles", doc.Profile.of)
