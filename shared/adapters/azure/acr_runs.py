"""Runs of ACR Tasks: a build context goes up, a run is scheduled, followed, and gives a digest. Source: REST reference,
Microsoft.ContainerRegistry registries and runs, 2025-03-01-preview."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, urlsplit

from shared.adapters.azure.arm import MANAGEMENT_URL, SCOPE, ArmClient
from shared.adapters.azure.errors import from_status
from shared.adapters.http_bodies import read_at_most
from shared.errors import NotSupported, Permanent, Retryable
from shared.events.subscriptions import is_loopback
from shared.ports import BuildProgress

if TYPE_CHECKING:
    import aiohttp
    from azure.core.credentials_async import AsyncTokenCredential

API_VERSION = "2025-03-01-preview"
MAX_LOG_BYTES = 1_000_000
LEAST_S, MOST_S = 300, 28_800  # what the service takes as a run's time limit
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


class AcrRuns:
    """The runs of one registry. `registry_id` is its ARM id; with "" nothing can be run."""

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

    def lacks(self) -> tuple[str, ...]:
        """What is not there for any run; () when there is all."""
        if not self._registry_id:
            return ("a container registry: SLIPWAY_CONTAINER_REGISTRY_ID is not set",)
        if "@" in urlsplit(self._index_url).netloc:  # an image's history shows what it was built with
            return ("a package index without credentials: those of SLIPWAY_PACKAGE_INDEX_URL would be in the image",)
        return ()

    async def look(self, run_id: str) -> BuildProgress | None:
        """How far a run is; None for one that the registry does not know (any more), and for ""."""
        if not run_id:
            return None
        async with self._arm.session() as session:
            status, _, body = await self._arm.request(session, "GET", self._url(f"runs/{quote(run_id, safe='')}"))
            if status == 404:
                return None
            _expect(status, "reading the run")
            return await self._progress(session, run_id, body.get("properties") or {})

    async def begin(
        self, context: bytes, image: str, dockerfile: str, timeout_s: float, platform: str = "linux/amd64"
    ) -> BuildProgress:
        """Build the context, a .tar.gz, and push what comes out as REPOSITORY:TAG."""
        async with self._arm.session() as session:
            status, _, upload = await self._arm.request(session, "POST", self._url("listBuildSourceUploadUrl"))
            _expect(status, "asking where the build context goes")
            await _put(session, str(upload["uploadUrl"]), context)
            asked = self._asked(image, dockerfile, timeout_s, platform, str(upload["relativePath"]))
            status, _, run = await self._arm.request(session, "POST", self._url("scheduleRun"), asked)
            _expect(status, "scheduling the run")
        properties = run.get("properties") or {}
        run_id = str(properties.get("runId") or run.get("name") or "")
        if not run_id:
            raise Retryable("the container registry gave the run no name")
        return BuildProgress(STATES.get(str(properties.get("status")), "Queued"), run_id)

    async def cancel(self, run_id: str) -> None:
        """End a run; nothing happens when there is none, or it has ended."""
        if not run_id:
            return
        async with self._arm.session() as session:
            url = self._url(f"runs/{quote(run_id, safe='')}/cancel")
            status, _, _ = await self._arm.request(session, "POST", url)
            if status not in (404, 409):
                _expect(status, "canceling the run")

    def _asked(self, image: str, dockerfile: str, timeout_s: float, platform: str, source: str) -> dict[str, Any]:
        system, _, architecture = platform.partition("/")
        index = {"name": "PIP_INDEX_URL", "value": self._index_url, "isSecret": False}
        return {
            "type": "DockerBuildRequest",
            "dockerFilePath": dockerfile,
            "imageNames": [image],
            "isPushEnabled": True,
            "noCache": False,
            "sourceLocation": source,
            "platform": {"os": system.capitalize(), "architecture": architecture},
            "arguments": [index] if self._index_url else [],
            "timeout": int(min(MOST_S, max(LEAST_S, timeout_s))),
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
            return (await read_at_most(response.content, MAX_LOG_BYTES)).decode(errors="replace")

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
