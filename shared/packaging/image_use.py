"""Which images nobody needs any more: pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from shared.resources.base import Resource
from shared.resources.build import BuildPhase
from shared.resources.image import ImageSpec


def unused_images(
    images: Collection[Resource], active_models: Collection[str], referred: Collection[str]
) -> dict[str, str]:
    """The images that nobody needs, by name, with why: their model's version is gone or archived, they failed, or a
    newer one took their place (of the same model, environment, platforms and script: its base or the server changed).
    `active_models` are NAME:VERSION of those that are not archived; `referred` are images that something refers to."""
    newest = _newest(images)
    found = {}
    for image in images:
        if image.unfinished or image.name in referred:
            continue
        recipe = ImageSpec.model_validate(image.spec).recipe
        model = f"{recipe.model_name}:{recipe.model_version}"
        if model not in active_models:
            found[image.name] = f"the model {model} is archived or deleted"
        elif image.status["phase"] != BuildPhase.SUCCEEDED:
            found[image.name] = f"it is {image.status['phase']}"
        elif (other := newest[_place(image)]).name != image.name:
            found[image.name] = f"{other.name} took its place"
    return found


def _newest(images: Iterable[Resource]) -> dict[tuple[object, ...], Resource]:
    """The youngest image that was made, of each place."""
    made = [one for one in images if one.status["phase"] == BuildPhase.SUCCEEDED]
    return {_place(one): one for one in sorted(made, key=lambda one: one.created_at)}


def _place(image: Resource) -> tuple[object, ...]:
    spec = ImageSpec.model_validate(image.spec)
    recipe = spec.recipe
    return (recipe.model_name, recipe.model_version, spec.environment, tuple(recipe.platforms), recipe.entry_script)
