"""There is no deployment target on Azure yet: Kubernetes and IoT Edge come behind the same port."""

from __future__ import annotations

from shared.errors import NotFound, NotSupported
from shared.ports import DesiredEndpoint, ObservedEndpoint


class NoTarget:
    """A DeploymentTarget that says what to do instead."""

    async def ensure(self, desired: DesiredEndpoint) -> ObservedEndpoint:
        """Raises NotSupported."""
        remedy = "deploy with `slipway up` on a machine; AKS and IoT Edge are planned"
        raise NotSupported("endpoints are not deployed on Azure yet", remedy=remedy)

    async def observe(self, endpoint: str) -> ObservedEndpoint | None:
        """See DeploymentTarget: nothing is here."""
        return None

    async def metrics(self, endpoint: str) -> str:
        """See DeploymentTarget: nothing answers."""
        return ""

    async def logs(self, endpoint: str, deployment: str, lines: int) -> str:
        """Raises NotFound."""
        raise NotFound(f"nothing of {endpoint}/{deployment} runs here, or has run")

    async def keep_only(self, endpoints: frozenset[str]) -> tuple[str, ...]:
        """See DeploymentTarget: nothing is here."""
        return ()
