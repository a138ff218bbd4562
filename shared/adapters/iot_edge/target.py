"""Endpoints on devices of an IoT hub: what is declared is put there, what the hub counts is read back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from shared.adapters.iot_edge.client import HubClient
from shared.adapters.iot_edge.view import OwnedConfigurations
from shared.deployment_targets.iot_edge.changes import Change, Delete, Put, base_changes, changes, removal
from shared.deployment_targets.iot_edge.configurations import DEPLOYMENT, ENDPOINT, Configuration, LiveConfiguration
from shared.deployment_targets.iot_edge.planning import planned
from shared.deployment_targets.iot_edge.progress import as_meant, metrics_of, newest, observed_endpoint
from shared.deployment_targets.iot_edge.render import base, layers, rest_of, uri_of
from shared.errors import AlreadyExists, Invalid, NotFound, NotSupported, Retryable
from shared.ports import DeploymentPlan, DesiredEndpoint, ObservedEndpoint
from shared.resources.iot_edge_compute import IotEdgeCompute

Wanted = dict[str, Configuration]  # by the names of deployments


class IotEdgeTarget:
    """A DeploymentTarget, and a DeploymentPlanner: one IoT hub, and there only what carries the labels of its owner."""

    def __init__(self, compute: IotEdgeCompute, client: HubClient, password: Callable[[], str]) -> None:
        self._compute = compute
        self._client = client
        self._password = password  # of the registry that devices pull from
        self._view = OwnedConfigurations(client, compute)

    async def _next(self, desired: DesiredEndpoint) -> tuple[Configuration | None, Wanted, list[Change]]:
        """What is declared (the base deployment, the layers), and what has to be done for it now. Raises Invalid,
        NotSupported."""
        there, now = await self._view.of_endpoint(desired.name)
        wanted = layers(desired, self._compute, rest_of(desired.weights, there.values()))
        runtime = base(self._compute, self._password()) if wanted else None
        steps: list[Change] = []
        if runtime is not None:
            steps += base_changes(runtime, (await self._view.of_endpoint(""))[0], now, self._compute)
        return runtime, wanted, [*steps, *changes(wanted, there, now, self._compute)]

    async def plan(self, desired: DesiredEndpoint) -> DeploymentPlan:
        """See DeploymentPlanner."""
        runtime, wanted, steps = await self._next(desired)
        return planned([*([runtime] if runtime else []), *wanted.values()], steps)

    async def ensure(self, desired: DesiredEndpoint) -> ObservedEndpoint:
        """See DeploymentTarget."""
        _, wanted, steps = await self._next(desired)
        await self._do(steps)
        there, now = await self._view.of_endpoint(desired.name)
        return observed_endpoint(uri_of(desired.name, self._compute), wanted, there, now, self._compute)

    async def _do(self, steps: Sequence[Change]) -> None:
        try:
            for step in steps:
                match step:
                    case Put(one, there):
                        self._view.put(await self._put(one, there))
                    case Delete(there):
                        await self._client.delete(there.configuration.id, there.etag)
                        self._view.drop(there.configuration.id)
        except Retryable:
            self._view.forget()  # whether it was done is not known
            raise

    async def _put(self, one: Configuration, there: LiveConfiguration | None) -> LiveConfiguration:
        try:
            return await self._client.put(one, there.etag if there else None)
        except AlreadyExists as error:
            # Its answer was lost, somebody made it meanwhile, or it is not ours.
            found = await self._client.get(one.id)
            if found is None or self._view.is_own(found):
                raise Retryable(f"the deployment {one.id} was made meanwhile") from error
            remedy = "delete it, or give the compute an `owner` of its own"
            raise Invalid(f"the deployment {one.id} is somebody else's", remedy=remedy) from error
        except NotFound as error:
            raise Retryable(f"the deployment {one.id} was deleted meanwhile") from error

    async def observe(self, endpoint: str) -> ObservedEndpoint | None:
        """See DeploymentTarget: what is so now of the newest of each deployment."""
        there, now = await self._view.of_endpoint(endpoint)
        wanted = {name: as_meant(there[id_].configuration, self._compute) for id_, name in newest(there).items()}
        if not wanted:
            return None
        return observed_endpoint(uri_of(endpoint, self._compute), wanted, there, now, self._compute)

    async def metrics(self, endpoint: str) -> str:
        """See DeploymentTarget: numbers of devices, as the hub counted them last. Requests are counted by no one."""
        there, _ = await self._view.of_endpoint(endpoint)
        return metrics_of(there, newest(there))

    async def logs(self, endpoint: str, deployment: str, lines: int) -> str:
        """See DeploymentTarget. Raises NotSupported: a hub has no logs."""
        there, _ = await self._view.of_endpoint(endpoint)
        if deployment not in {each.configuration.labels.get(DEPLOYMENT) for each in there.values()}:
            raise NotFound(f"nothing of {endpoint}/{deployment} runs on {self._compute.name}")
        raise NotSupported(
            f"{endpoint}/{deployment} runs on devices, whose logs Slipway does not read",
            remedy="ask the device: `iotedge logs MODULE` there, or edgeAgent's method GetModuleLogs by the hub",
        )

    async def keep_only(self, endpoints: frozenset[str]) -> tuple[str, ...]:
        """See DeploymentTarget: the base deployment stays, so that devices take the modules away."""
        found, _ = await self._view.current()
        gone = [
            each
            for each in found.values()
            if (name := each.configuration.labels.get(ENDPOINT)) and name not in endpoints
        ]
        await self._do(removal(gone))
        return tuple(sorted({each.configuration.labels[ENDPOINT] for each in gone}))
