"""Logins of AKS clusters with Entra ID: where the cluster is from Azure Resource Manager, a token of this identity."""

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import TYPE_CHECKING, Any

from shared.adapters.azure.arm import MANAGEMENT_URL, ArmClient
from shared.adapters.azure.arm import SCOPE as ARM_SCOPE
from shared.adapters.azure.errors import from_status, translated
from shared.deployment_targets.kubernetes.login import ClusterLogin
from shared.errors import Permanent

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

API_VERSION = "2025-05-01"
# The Azure Kubernetes Service AAD Server, the same application in every tenant (kubelogin, "server id").
SCOPE = "6dae42f8-4368-4678-94ff-e28960e3630b/.default"


class AksLogins:
    """A LoginSource. The identity needs `Azure Kubernetes Service Cluster User Role`, and rights in the namespace."""

    def __init__(
        self,
        resource_id: str,
        credential: AsyncTokenCredential,
        management_url: str = MANAGEMENT_URL,
        *,
        scope: str = ARM_SCOPE,
    ) -> None:
        self._resource_id = resource_id
        self._credential = credential
        self._arm = ArmClient(credential, management_url, scope)
        self._place: tuple[str, str] | None = None  # server, certificate authority
        self._asking = asyncio.Lock()

    async def login(self) -> ClusterLogin:
        """See LoginSource: azure-identity renews tokens before they expire."""
        async with self._asking:
            place = self._place = self._place or await self._cluster()
        with translated("getting a token for the cluster"):
            token = (await self._credential.get_token(SCOPE)).token
        return ClusterLogin(*place, token)

    def forget(self, login: ClusterLogin) -> None:
        """See LoginSource: a cluster that was made anew has another certificate."""
        self._place = None

    async def _cluster(self) -> tuple[str, str]:
        """From the kubeconfig that managedClusters/listClusterUserCredential gives; its own credential is not used."""
        import yaml

        url = f"{self._resource_id}/listClusterUserCredential?api-version={API_VERSION}"
        async with self._arm.session() as session:
            status, _, body = await self._arm.request(session, "POST", url)
        if status != 200:
            raise from_status(status, "asking for the cluster's kubeconfig")
        try:
            text = base64.b64decode(body["kubeconfigs"][0]["value"], validate=True)
            cluster: dict[str, Any] = yaml.safe_load(text)["clusters"][0]["cluster"]
            return str(cluster["server"]), str(cluster.get("certificate-authority-data") or "")
        except (KeyError, IndexError, TypeError, binascii.Error, yaml.YAMLError) as error:
            raise Permanent(f"Azure gave no kubeconfig ({type(error).__name__})") from error
