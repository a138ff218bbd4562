"""Asking for the image of a model: from a version and an environment to a recipe, one image for each identity."""

from __future__ import annotations

from collections.abc import Sequence

from shared.commit import Committer, Current, Draft, TransactionalStore
from shared.environments.versions import EnvironmentVersions
from shared.errors import DeletionRequired, Invalid
from shared.packaging.lock import packages_of_lock
from shared.packaging.sbom import Model, sbom
from shared.packaging.work import Work, built_environment, check_entry_script
from shared.ports import ANY_KIND, ImageBuilder, ResourceQuery
from shared.registry.models import Registry
from shared.resources.base import Cause, Resource
from shared.resources.build import BUILD_TERMINAL, BuildPhase
from shared.resources.environment import DEFAULT_PYTHON
from shared.resources.environment_build import EnvironmentBuildSpec, EnvironmentRecipe
from shared.resources.image import KIND, ImageRecipe, ImageSpec, ImageStatus
from shared.resources.model import ModelSpec
from shared.resources.search import reference_term

SHOWN_USERS = 5


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
        self._work = Work(KIND, "image", "slipway image list", BUILD_TERMINAL, store, committer)
        self._registry = registry
        self._environments = environments
        self._builder = builder

    async def get(self, identity: str) -> Resource:
        """One image. Raises NotFound."""
        return await self._work.get(identity)

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
        used = await built_environment(self._environments, environment)
        spec = await self._spec(version, used, platforms, entry_script)
        again_in, name = (BuildPhase.FAILED, BuildPhase.CANCELED), spec.recipe.identity
        return await self._work.begin(name, spec, ImageStatus(), cause, again_in=again_in, kept=_used_again)

    async def delete(self, image: Resource, cause: Cause) -> None:
        """Forget an image; its files go with the next collection. Raises Invalid while it is being made, and
        DeletionRequired when something refers to it."""
        query = ResourceQuery(ANY_KIND, terms=(reference_term(str(image.key)),), limit=SHOWN_USERS)
        if users := [str(one.key) for one in (await self._work.store.list_resources(query)).items]:
            remedy = "delete its users or let them use another image"
            raise DeletionRequired(f"{image.key} is in use by {', '.join(users)}", remedy=remedy)

        async def change(current: Current) -> Sequence[Draft]:
            found = current[image.key]
            if found is None:
                return ()
            if found.status["phase"] not in BUILD_TERMINAL:
                raise Invalid(f"{found.key} is {found.status['phase']}", remedy="wait for it, or cancel it")
            return (Draft.of(found, delete=True, unfinished=False),)

        await self._work.committer.transact((image.key,), change, cause)

    async def cancel(self, image: Resource, cause: Cause) -> Resource:
        """Have the build of an image end. Raises Invalid for one that has ended."""
        return await self._work.cancel(image, cause)

    def bill_of(self, image: Resource) -> bytes:
        """The image's software bill of materials, CycloneDX 1.6 JSON: the locked packages and the model's files."""
        recipe = ImageSpec.model_validate(image.spec).recipe
        packages = packages_of_lock("".join(f"{line}\n" for line in recipe.lock))
        models = [Model(recipe.model_name, recipe.model_version, {f.path: f.sha256 for f in recipe.files})]
        return sbom(recipe.model_name, recipe.model_version, packages, models)

    async def _spec(self, version: Resource, used: Resource, platforms: Sequence[str], entry_script: str) -> ImageSpec:
        files = ModelSpec.model_validate(version.spec).files
        check_entry_script(entry_script, files)
        build = await self._environments.build_of(used)
        if build is None:
            raise Invalid(f"{used.key} is an image as it is", remedy="give it packages: `pip` or a `conda_file`")
        recipe = EnvironmentBuildSpec.model_validate(build.spec).recipe
        if not (base := _base_of(recipe, used) or self._builder.base_image):
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


def _used_again(image: Resource) -> Sequence[Draft]:
    """An image that was about to be let go is asked for again: it stays."""
    status = ImageStatus.model_validate(image.status)
    if status.unused_since is None:
        return ()
    status.unused, status.unused_since = "", None
    return (Draft.of(image, status=status.model_dump(mode="json")),)


def _base_of(recipe: EnvironmentRecipe, used: Resource) -> str | None:
    """What images rest on in an environment: its own image, where that has more than locked packages; else its base."""
    if recipe.conda_packages or recipe.context:
        return str(used.status.get("location"))
    return recipe.base_image
