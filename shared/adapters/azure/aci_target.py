"""Endpoints on Azure Container Instances: a group for each, put, looked at and deleted by Azure Resource Manager."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from shared.adapters.azure.arm import MANAGEMENT_URL, SCOPE, ArmClient
from shared.adapters.azure.errors import from_status
from shared.adapters.http_bodies import read_at_most
from shared.deployment_targets.aci.progress import observed_endpoint
from shared.deployment_targets.aci.render import (
    DEPLOYMENT,
    DIGEST,
    ENDPOINT,
    OWNER,
    Group,
    group_name,
    rendered,
    shown,
)
from shared.deployment_targets.kubernetes.workload import CONTAINER
from shared.errors import Invalid, NotFound, Permanent, Retryable, Unauthorized
from shared.ports import DeploymentPlan, DesiredEndpoint, FieldChange, ObjectChange, ObservedEndpoint
from shared.resources.aci_compute import AciCompute
from shared.rollout.server_figures import as_router

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

API_VERSION = "2023-05-01"
SCRAPE_TIMEOUT_S = 5.0
MAX_PAGE_BYTES = 4 * 2**20
_CHANGING = ("Pending", "Creating", "Updating", "Repairing", "Deleting", "PreProvisioned")  # provisioning states
_REFUSED = {400: Invalid, 401: Unauthorized, 403: Unauthorized, 404: NotFound}


class AciTarget:
    """A DeploymentTarget, and a DeploymentPlanner: one resource group, and there only groups with the owner's tag."""

    def __init__(
        self,
        compute: AciCompute,
        credential: AsyncTokenCredential,
        management_url: str = MANAGEMENT_URL,
        scope: str = SCOPE,
    ) -> None:
        self._compute = compute
        self._arm = ArmClient(credential, management_url, scope)
        self._groups = f"{compute.resource_group_id}/providers/Microsoft.ContainerInstance/containerGroups"

    async def plan(self, desired: DesiredEndpoint) -> DeploymentPlan:
        """See DeploymentPlanner."""
        wanted, live = rendered(desired, self._compute), await self._own(desired.name)
        change = _change(group_name(desired.name), wanted, live)
        return DeploymentPlan((shown(wanted),) if wanted else (), (change,) if change else ())

    async def ensure(self, desired: DesiredEndpoint) -> ObservedEndpoint:
        """See DeploymentTarget. A group that is being changed is waited for: Azure refuses two changes at once."""
        wanted, live = rendered(desired, self._compute), await self._own(desired.name)
        change = _change(group_name(desired.name), wanted, live)
        is_changing = live is not None and live["properties"].get("provisioningState") in _CHANGING
        if change is not None and not is_changing:
            if wanted is None or (live is not None and _is_another(wanted, live)):
                await self._delete(desired.name)
                live = None
            else:
                live = await self._ask("PUT", f"/{group_name(desired.name)}", f"putting {desired.name}", wanted)
        if wanted is None:
            return ObservedEndpoint("", True)
        if live is None:
            return ObservedEndpoint("", False)
        return observed_endpoint(live, wanted["tags"][DIGEST])

    async def observe(self, endpoint: str) -> ObservedEndpoint | None:
        """See DeploymentTarget: what is so now."""
        live = await self._own(endpoint)
        return observed_endpoint(live, live["tags"].get(DIGEST, "")) if live else None

    async def metrics(self, endpoint: str) -> str:
        """See DeploymentTarget: what the group's server counts itself; "" where it does not answer, or cannot be
        reached from here."""
        live = await self._own(endpoint)
        place = observed_endpoint(live, "").scoring_uri if live else ""
        text = await _scraped(place.removesuffix("/score") + "/metrics") if place else ""
        return as_router(text, live["tags"][DEPLOYMENT], group_name(endpoint)) if live and text else ""

    async def logs(self, endpoint: str, deployment: str, lines: int) -> str:
        """See DeploymentTarget."""
        live = await self._own(endpoint)
        if live is None or live["tags"].get(DEPLOYMENT) != deployment:
            raise NotFound(f"nothing of {endpoint}/{deployment} runs on {self._compute.name}")
        path = f"/{group_name(endpoint)}/containers/{CONTAINER}/logs"
        answer = await self._ask("GET", path, f"reading the log of {endpoint}", query=f"&tail={lines}")
        return str((answer or {}).get("content") or "")

    async def keep_only(self, endpoints: frozenset[str]) -> tuple[str, ...]:
        """See DeploymentTarget."""
        gone = []
        for live in await self._list():
            tags = live.get("tags") or {}
            name = tags.get(ENDPOINT, "")
            if tags.get(OWNER) == self._compute.owner and live["name"] == group_name(name) and name not in endpoints:
                await self._delete(name)
                gone.append(name)
        return tuple(sorted(gone))

    async def _own(self, endpoint: str) -> Group | None:
        """The endpoint's group with its instance view; None where there is none. Raises Invalid for somebody else's."""
        live = await self._ask("GET", f"/{group_name(endpoint)}", f"looking at {endpoint}")
        tags = (live or {}).get("tags") or {}
        if live is not None and (tags.get(OWNER), tags.get(ENDPOINT)) != (self._compute.owner, endpoint):
            remedy = "delete it, or give the compute a resource group of its own"
            raise Invalid(f"the container group {group_name(endpoint)} is somebody else's", remedy=remedy)
        return live

    async def _list(self) -> list[Group]:
        found: list[Group] = []
        url = f"{self._groups}?api-version={API_VERSION}"
        async with self._arm.session() as session:
            while url:
                status, _, body = await self._arm.request(session, "GET", url)
                if status != 200:
                    raise from_status(status, "listing container groups")
                found += body.get("value") or []
                url = str(body.get("nextLink") or "")
        return found

    async def _delete(self, endpoint: str) -> None:
        """Azure goes on with it by itself (202)."""
        await self._ask("DELETE", f"/{group_name(endpoint)}", f"deleting {endpoint}")

    async def _ask(
        self, method: str, path: str, what: str, body: dict[str, Any] | None = None, *, query: str = ""
    ) -> Group | None:
        """The answer; None for 404, and for nothing to say."""
        url = f"{self._groups}{quote(path)}?api-version={API_VERSION}{query}"
        async with self._arm.session() as session:
            status, _, answer = await self._arm.request(session, method, url, body)
        if status == 404 and method != "PUT":
            return None
        if status in (200, 201, 202, 204):
            return answer or None
        error = answer.get("error")
        said = error if isinstance(error, dict) else {}
        message = f"{what}: {status} {said.get('code', '')}: {str(said.get('message', 'no reason given'))[:1000]}"
        if status in (408, 409, 429) or status >= 500:  # 409: the group is in transition
            raise Retryable(message)
        raise _REFUSED.get(status, Permanent)(message)


async def _scraped(url: str) -> str:
    """ "" for any other answer than a page."""
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=SCRAPE_TIMEOUT_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as http, http.get(url, allow_redirects=False) as answer:
            page = await read_at_most(answer.content, MAX_PAGE_BYTES)
            return page.decode() if answer.status == 200 else ""
    except (aiohttp.ClientError, TimeoutError, OSError, UnicodeDecodeError):
        return ""


def _change(name: str, wanted: Group | None, live: Group | None) -> ObjectChange | None:
    """What has to be done so that it is as declared; None for nothing."""
    if wanted is None:
        return ObjectChange("delete", f"containerGroups/{name}") if live else None
    if live is None:
        return ObjectChange("create", f"containerGroups/{name}")
    there = (live.get("tags") or {}).get(DIGEST)
    if there == wanted["tags"][DIGEST]:
        return None
    return ObjectChange(
        "update", f"containerGroups/{name}", (FieldChange(f"/tags/{DIGEST}", there, wanted["tags"][DIGEST]),)
    )


def _is_another(wanted: Group, live: Group) -> bool:
    """Whether Azure takes the change for no update (its CPU, its memory, its network): a group of its own is made."""

    def fixed(group: Group) -> Any:
        properties = group["properties"]
        requests = properties["containers"][0]["properties"]["resources"]["requests"]
        subnets = [each["id"].lower() for each in properties.get("subnetIds") or ()]
        return group["location"], float(requests["cpu"]), float(requests["memoryInGB"]), subnets

    return bool(fixed(wanted) != fixed(live))
