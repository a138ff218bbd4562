"""Environments as images of Azure Container Registry, built by ACR Tasks. Source: REST reference,
Microsoft.ContainerRegistry registries and runs, 2025-03-01-preview."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, urlsplit

from shared.adapters.azure.arm import MANAGEMENT_URL, SCOPE, ArmClient
from shared.adapters.azure.errors import from_status
from shared.environments.image_context import archive_of
from shared.errors import NotSupported, Permanent, Retryable
from shared.events.subscriptions import is_loopback
from shared.ports import BuildProgress, BuildRequest
from shared.resources.environment_build import EnvironmentRecipe

if TYPE_CHECKING:
    import aiohttp
    from azure.core.credentials_async import AsyncTokenCredential

log = logging.getLogger(__name__)

API_VERSION = "2025-03-01-preview"
REPOSITORY = "slipway/environments"  # images are tagged with the identity in it
MAX_LOG_BYTES = 1_000_000
State = Literal["Queued", "Running", "Succeeded", "Failed", "Canceled"]
STATES: dict[str, State] = {
    "Queued": "Queued",
    "Started": "Running",
    "Running": "Running",
    "Succeeded": "Succeeded",
    "Failed": "Failed",
    "Error": "Failed",
    "Timeout": "Failed",
    "Canceled": "Canceled",
}


class AcrTasksBuilder:
    """An EnvironmentBuilder. `registry_id` is the registry's ARM id; with "" nothing can be built."""

    def __init__(
        self,
        registry_id: str,
        credential: AsyncTokenCredential,
        management_url: str = MANAGEMENT_URL,
        *,
        index_url: str = "",
        scope: str = SCOPE,
    ) -> None:
        self._registry_id = registry_id.strip("/")
        self._arm = ArmClient(credential, management_url, scope)
        self._index_url = index_url

    def lacks(self, recipe: EnvironmentRecipe) -> tuple[str, ...]:
        """See EnvironmentBuilder."""
        if not self._registry_id:
            return ("a container registry: SLIPWAY_CONTAINER_REGISTRY_ID is not set",)
        return ("os_type windows: images are built for linux",) if recipe.os_type != "linux" else ()

    async def advance(self, request: BuildRequest, run_id: str) -> BuildProgress:
        """See EnvironmentBuilder. A run that the registry has forgotten is begun again."""
        if lacking := self.lacks(request.recipe):
            return BuildProgress("Failed", run_id, reason=f"this cannot be had: {'; '.join(lacking)}")
        async with self._arm.session() as session:
            if run_id:
                status, _, body = await self._arm.request(session, "GET", self._url(f"runs/{quote(run_id, safe='')}"))
                if status != 404:
                    _expect(status, "reading the run")
                    return await self._progress(session, run_id, body.get("properties") or {})
            return await self._begin(session, request)

    async def cancel(self, identity: str, run_id: str) -> None:
        """See EnvironmentBuilder."""
        if not run_id:
            return
        async with self._arm.session() as session:
            url = self._url(f"runs/{quote(run_id, safe='')}/cancel")
            status, _, _ = await self._arm.request(session, "POST", url)
            if status not in (404, 409):  # it is not there, or has ended
                _expect(status, "canceling the run")

    async def collect(self, keep: Collection[str], before: datetime) -> tuple[str, ...]:
        """See EnvironmentBuilder: the registry's retention policy removes images."""
        return ()

    async def _begin(self, session: aiohttp.ClientSession, request: BuildRequest) -> BuildProgress:
        status, _, upload = await self._arm.request(session, "POST", self._url("listBuildSourceUploadUrl"))
        _expect(status, "asking where the build context goes")
        await _put(session, str(upload["uploadUrl"]), await archive_of(request))
        asked = self._asked(request, str(upload["relativePath"]))
        status, _, run = await self._arm.request(session, "POST", self._url("scheduleRun"), asked)
        _expect(status, "scheduling the run")
        properties = run.get("properties") or {}
        run_id = str(properties.get("runId") or run.get("name") or "")
        if not run_id:
            raise Retryable("the container registry gave the run no name")
        return BuildProgress(STATES.get(str(properties.get("status")), "Queued"), run_id)

    def _asked(self, request: BuildRequest, source: str) -> dict[str, Any]:
        secret = {"name": "PIP_INDEX_URL", "value": self._index_url, "isSecret": True}
        return {
            "type": "DockerBuildRequest",
            "dockerFilePath": request.recipe.dockerfile_path or "Dockerfile",
            "imageNames": [f"{REPOSITORY}:{request.recipe.identity}"],
            "isPushEnabled": True,
            "noCache": False,
            "sourceLocation": source,
            "platform": {"os": "Linux", "architecture": "amd64"},
            "arguments": [secret] if self._index_url else [],
            "timeout": int(min(28_800, max(300, request.timeout_s))),  # the service takes 300 to 28,800 s
        }

    async def _progress(self, session: aiohttp.ClientSession, run_id: str, run: dict[str, Any]) -> BuildProgress:
        said = str(run.get("status"))
        if said not in STATES:
            raise Permanent(f"the run {run_id} is {said!r}", remedy=f"known are {', '.join(STATES)}")
        printed = await self._log(session, run_id)
        state = STATES[said]
        if state == "Failed":
            reason = str(run.get("runErrorMessage") or "") or f"the run {run_id} ended as {said}; see its log"
            return BuildProgress("Failed", run_id, printed, reason=reason)
        if state != "Succeeded":
            return BuildProgress(state, run_id, printed)
        images = [one for one in run.get("outputImages") or () if one.get("digest")]
        if not images:
            return BuildProgress("Failed", run_id, printed, reason=f"the run {run_id} pushed no image")
        image = images[0]
        return BuildProgress(state, run_id, printed, f"{image['registry']}/{image['repository']}@{image['digest']}")

    async def _log(self, session: aiohttp.ClientSession, run_id: str) -> str:
        """What the run printed so far; "" when there is nothing yet."""
        url = self._url(f"runs/{quote(run_id, safe='')}/listLogSasUrl")
        status, _, body = await self._arm.request(session, "POST", url)
        link = body.get("logLink")
        if status != 200 or not link:
            return ""
        _check_https(str(link))
        async with session.get(str(link)) as response:
            if response.status != 200:
                return ""
            return (await response.content.read(MAX_LOG_BYTES)).decode(errors="replace")

    def _url(self, tail: str) -> str:
        if not self._registry_id:
            raise NotSupported("no container registry is known", remedy="set SLIPWAY_CONTAINER_REGISTRY_ID")
        return f"{self._arm.management_url}/{quote(self._registry_id)}/{tail}?api-version={API_VERSION}"


async def _put(session: aiohttp.ClientSession, url: str, data: bytes) -> None:
    """Upload the context; its URL holds its own credential, and is in no message."""
    import aiohttp

    _check_https(url)
    try:
        async with session.put(url, data=data, headers={"x-ms-blob-type": "BlockBlob"}) as response:
            status = response.status
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Retryable(f"the build context could not be uploaded ({type(error).__name__})") from error
    _expect(status, "uploading the build context")


def _check_https(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise Permanent("the container registry named a URL that is not https")


def _expect(status: int, what: str) -> None:
    if status not in (200, 201, 202):
        raise from_status(status, what)
