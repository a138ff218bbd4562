"""The image of a deployment whose target runs containers: packaged when it is needed first."""

from __future__ import annotations

from dataclasses import dataclass

from shared.compute_settings import compute_of, load_computes
from shared.controllers.outcome import Deps
from shared.deployments.compute import compute_name, container_desired
from shared.environments.versions import EnvironmentVersions
from shared.errors import Invalid
from shared.packaging.images import Images
from shared.ports import ContainerDesired, wake
from shared.resources.base import Cause, Resource, ResourceKey
from shared.resources.build import BuildPhase
from shared.resources.declared import DeclaredSpec
from shared.resources.image import KIND as IMAGE
from shared.resources.image import ImageStatus
from shared.resources.online_endpoint import KIND as ENDPOINT


@dataclass(frozen=True, slots=True)
class Waits:
    """It has no image yet."""

    reason: str


async def container_of(
    deployment: Resource, model: Resource | None, environment: Resource, deps: Deps, cause: Cause
) -> ContainerDesired | Waits | None:
    """What the target is told of the deployment's container; None where processes run. Raises Invalid for a compute
    that is not configured, and for what no image can be made of; Retryable."""
    endpoint = await deps.store.read(ResourceKey(ENDPOINT, deployment.name.partition(".")[0]))
    said = DeclaredSpec.model_validate(endpoint.spec) if endpoint else None
    name = compute_name(said, deps.settings.default_compute) if said else ""
    compute = compute_of(name, load_computes(deps.settings.computes))
    if compute is None:
        return None
    if model is None:
        raise Invalid("a deployment without a model has no image", remedy="give it a `model`")
    image = await _image(model, environment, compute.platform, deps, cause)
    status = ImageStatus.model_validate(image.status)
    if status.phase in (BuildPhase.FAILED, BuildPhase.CANCELED):
        raise Invalid(f"its image is {status.phase}", remedy=f"see `slipway image show {image.name[:12]}`")
    if status.phase != BuildPhase.SUCCEEDED:
        return Waits(f"its image is {status.phase}")
    if status.location.startswith("oci:"):
        raise Invalid("its image is on this machine only", remedy="set SLIPWAY_IMAGE_REPOSITORY, and package it again")
    return container_desired(DeclaredSpec.model_validate(deployment.spec).declaration, status.location)


async def _image(model: Resource, environment: Resource, platform: str, deps: Deps, cause: Cause) -> Resource:
    """The image, begun when it is not there. One that failed is begun again by people only."""
    versions = EnvironmentVersions(deps.store, deps.committer, deps.artifacts)
    images = Images(deps.store, deps.committer, deps.registry, versions, deps.images)
    made = ((model.name, str(model.version)), (environment.name, str(environment.version)))
    identity = await images.identity(*made, [platform])
    found = await deps.store.read(ResourceKey(IMAGE, identity))
    if found is None:
        found = await images.package(*made, [platform], "", cause)
        await wake(deps.queue, found.key)
    return found
