"""Asking for the image of a model: from a version and an environment to a recipe, one image for each identity."""

from __future__ import annotations

from collections.abc import Sequence

from shared.commit import Committer, Current, Draft, TransactionalStore
from shared.environments.versions import EnvironmentVersions
from shared.errors import Fault, Invalid, NotFound
from shared.packaging.lock import packages_of_lock
from shared.packaging.sbom import Model, sbom
from shared.ports import ImageBuilder
from shared.registry.models import Registry
from shared.resources.base import Cause, Resource, ResourceKey
from shared.resources.build import BUILD_TERMINAL, BuildPhase
from shared.resources.environment import DEFAULT_PYTHON
from shared.resources.environment_build import EnvironmentBuildSpec, EnvironmentPhase
from shared.resources.image import KIND, ImageRecipe, ImageSpec, ImageStatus
from shared.resources.model import ModelSpec


class Images:
    """The images of models."""

    def __init__(
        self,
        store: TransactionalStore,
        committer: Committer,
        registry: Registry,
        environments: EnvironmentVersions,
        builder: ImageBuilder,
    ) -> None:
        self._store = store
        self._committer = committer
        self._registry = registry
        self._environments = environments
        self._builder = builder

    async def get(self, identity: str) -> Resource:
        """One image. Raises NotFound."""
        found = await self._store.read(ResourceKey(KIND, identity)) if identity.isalnum() else None
        if found is None:
            raise NotFound(f"there is no image {identity[:80]!r}", remedy="`slipway image list` shows all")
        return found

    async def identity(
        self, model: tuple[str, str], environment: tuple[str, str], platforms: Sequence[str], entry_script: str = ""
    ) -> str:
        """The name that the image has or would have. Raises as `package`."""
        version, used = await self._registry.get(*model), await self._environments.get(*environment)
        return (await self._spec(version, used, platforms, entry_script)).recipe.identity

    async def package(
        self,
        model: tuple[str, str],
        environment: tuple[str, str],
        platforms: Sequence[str],
        entry_script: str,
        cause: Cause,
    ) -> Resource:
        """The image of a model in an environment, asked for now or before; one that failed or was canceled is begun
        again. Raises NotFound, Invalid for an environment that is not built, or what an image cannot be made of."""
        version = await self._registry.get(*model)
        used = await self._environments.get(*environment)
        spec = await self._spec(version, used, platforms, entry_script)
        key = ResourceKey(KIND, spec.recipe.identity)

        async def change(current: Current) -> Sequence[Draft]:
            found = current[key]
            if found is not None and found.status["phase"] not in (BuildPhase.FAILED, BuildPhase.CANCELED):
                return ()
            status = ImageStatus().model_dump(mode="json")
            return (Draft(key, spec.model_dump(mode="json"), status, unfinished=True),)

        await self._committer.transact((key,), change, cause)
        return await self.get(key.name)

    async def cancel(self, image: Resource, cause: Cause) -> Resource:
        """Have the build of an image end. Raises Invalid for one that has ended."""
        if image.status["phase"] in BUILD_TERMINAL:
            raise Invalid(f"{image.key} is {image.status['phase']}: there is nothing to cancel")

        async def change(current: Current) -> Sequence[Draft]:
            found = current[image.key]
            if found is None or not found.unfinished:
                return ()
            return (Draft.of(found, status={**found.status, "cancel_requested": True}),)

        await self._committer.transact((image.key,), change, cause)
        return await self.get(image.name)

    def bill_of(self, image: Resource) -> bytes:
        """The image's software bill of materials, CycloneDX 1.6 JSON: the locked packages and the model's files."""
        recipe = ImageSpec.model_validate(image.spec).recipe
        packages = packages_of_lock("".join(f"{line}\n" for line in recipe.lock))
        models = [Model(recipe.model_name, recipe.model_version, {f.path: f.sha256 for f in recipe.files})]
        return sbom(recipe.model_name, recipe.model_version, packages, models)

    async def _spec(self, version: Resource, used: Resource, platforms: Sequence[str], entry_script: str) -> ImageSpec:
        files = ModelSpec.model_validate(version.spec).files
        if entry_script and entry_script not in {file.path for file in files}:
            fault = Fault(
                f"{entry_script!r} is no file of the model", "/entry_script", allowed="the path of one of them"
            )
            raise Invalid("the entry script is not there", faults=(fault,))
        build = await self._environments.build_of(used)
        if (phase := used.status.get("phase")) != EnvironmentPhase.SUCCEEDED:
            remedy = "wait for it, or see `slipway environment show`"
            raise Invalid(f"{used.key} cannot be used: it is {phase}", remedy=remedy)
        if build is None:
            raise Invalid(f"{used.key} is an image as it is", remedy="give it packages: `pip` or a `conda_file`")
        recipe = EnvironmentBuildSpec.model_validate(build.spec).recipe
        if not (base := recipe.base_image or self._builder.base_image):
            raise Invalid(
                "there is no base image", remedy="name one as the environment's `image`, or set SLIPWAY_IMAGE_BASE"
            )
        made = ImageRecipe(
            model_name=version.name,
            model_version=str(version.version),
            files=files,
            environment_identity=recipe.identity,
            python_version=recipe.python_version or DEFAULT_PYTHON,
            lock=recipe.lock,
            base_image=base,
            entry_script=entry_script,
            server=self._builder.server,
            platforms=sorted(set(platforms)),
        )
        if lacking := self._builder.lacks(made):
            raise Invalid(f"this image cannot be made: {'; '.join(lacking)}")
        return ImageSpec(
            recipe=made, environment=f"{used.name}:{used.version}", references=[str(version.key), str(used.key)]
        )
