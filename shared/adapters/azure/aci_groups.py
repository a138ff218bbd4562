"""Targets of container groups, whose code is imported when the first is opened: few have such computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from shared.ports import DeploymentTarget
from shared.resources.aci_compute import AciCompute

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential


def group_targets(
    credential: AsyncTokenCredential, management_url: str, scope: str
) -> Callable[[AciCompute], DeploymentTarget]:
    """Opens targets that act as this identity, by tokens of this scope."""

    def open_target(compute: AciCompute) -> DeploymentTarget:
        from shared.adapters.azure.aci_target import AciTarget

        return AciTarget(compute, credential, management_url, scope)

    return open_target
