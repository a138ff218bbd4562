"""A namespace's objects: applied, listed, deleted. Every call is made once more with new credentials when refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from shared.adapters.kubernetes.errors import translated
from shared.deployment_targets.kubernetes.names import MANAGED_BY, Manifest
from shared.deployment_targets.kubernetes.render import KINDS
from shared.errors import Conflict, Invalid, NotFound, Unauthorized

if TYPE_CHECKING:
    from lightkube import AsyncClient

PAGE = 500
T = TypeVar("T")
_PLURALS = {"NetworkPolicy": "networkpolicies"}
POD = "Pod"
JOBS = "Job"
_VERSIONS = {**KINDS, POD: "v1", JOBS: "batch/v1"}


class Connection(Protocol):
    """Where clients come from."""

    async def client(self) -> AsyncClient:
        """One that can be used now."""
        ...

    async def refused(self, client: AsyncClient) -> None:
        """Its credentials were refused."""
        ...


class NamespaceObjects:
    """What an owner has in a namespace. Every method raises Retryable, Unauthorized, and Permanent for what the cluster
    refuses."""

    def __init__(self, connection: Connection, owner: str) -> None:
        self._connection = connection
        self._owner = owner

    async def apply(self, manifest: Manifest, *, is_new: bool) -> Manifest:
        """The object after server-side apply; fields of others that are said here are taken over, as a controller
        does (Kubernetes, server-side apply, "Conflicts"). But one that should be new and is there already is
        somebody else's, and is left alone: Invalid."""
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        resource = _resource(kind)

        async def call(client: AsyncClient) -> Manifest:
            return dict(await client.apply(resource(manifest), name, field_manager=self._owner, force=not is_new))

        try:
            return await self._made(f"applying {kind}/{name}", call)
        except Conflict as error:
            remedy = "delete it, or give the compute a namespace of its own"
            message = f"{kind}/{name} is there, and is not {self._owner}'s: {error.message}"
            raise Invalid(message, remedy=remedy) from error

    async def list(self, kind: str, labels: dict[str, str] | None = None) -> list[Manifest]:
        """The owner's objects of a kind, or pods of its deployments; those with `labels` only."""
        wanted: dict[str, Any] = dict(labels or {MANAGED_BY: self._owner})

        async def call(client: AsyncClient) -> list[Manifest]:
            found = client.list(_resource(kind), labels=wanted, chunk_size=PAGE)
            return [dict(each) async for each in found]

        return await self._made(f"listing {kind}", call)

    async def delete(self, kind: str, name: str) -> None:
        """Delete it with what it made; nothing happens when it is gone."""
        from lightkube.types import CascadeType

        async def call(client: AsyncClient) -> None:
            await client.delete(_resource(kind), name, cascade=CascadeType.BACKGROUND)

        try:
            await self._made(f"deleting {kind}/{name}", call)
        except NotFound:
            return

    async def log(self, pod: str, container: str, lines: int) -> str:
        """The last lines of a container's log. Raises NotFound."""

        async def call(client: AsyncClient) -> str:
            found = client.log(pod, container=container, tail_lines=lines)
            return "".join([line async for line in found])

        return await self._made(f"reading the log of {pod}", call)

    async def _made(self, what: str, call: Callable[[AsyncClient], Awaitable[T]]) -> T:
        client = await self._connected(what)
        try:
            with translated(what):
                return await call(client)
        except Unauthorized:
            await self._connection.refused(client)
        client = await self._connected(what)
        with translated(what):
            return await call(client)

    async def _connected(self, what: str) -> AsyncClient:
        with translated(what):
            return await self._connection.client()


@cache
def _resource(kind: str) -> Any:
    """A class of plain dictionaries. Not registered with the client, whose registry takes one class for a kind."""
    from lightkube.generic_resource import GenericNamespacedResource, create_api_info

    group, _, version = _VERSIONS[kind].rpartition("/")
    plural = _PLURALS.get(kind, f"{kind.lower()}s")
    return type(kind, (GenericNamespacedResource,), {"_api_info": create_api_info(group, version, kind, plural)})
