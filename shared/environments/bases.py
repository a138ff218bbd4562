"""The images that environments rest on: which one a version means, and whether its name means another one by now."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.environments.versions import EnvironmentVersions
from shared.errors import Permanent, Retryable
from shared.ports import ImageDigests
from shared.resources.base import Cause, Resource
from shared.resources.environment_build import EnvironmentVersionStatus, digest_in

AT_ONCE = 8  # how many registries are asked at a time


@dataclass(frozen=True, slots=True)
class BaseCheck:
    """What looking at all base images came to."""

    outdated: tuple[Resource, ...]  # the versions that should be built again, whoever found that out
    unresolved: Mapping[str, str]  # images whose digest cannot be had, and why


@dataclass(frozen=True, slots=True)
class Base:
    """Which image a name stands for."""

    digest: str | None  # None where nobody could say
    reason: str  # of a condition: Named, Kept, Resolved, NotResolved
    message: str  # of a condition


async def find_base(image: str, earlier: Sequence[tuple[str, EnvironmentVersionStatus]], digests: ImageDigests) -> Base:
    """What a declared image is for a version. Like a pin it stays what it was for the `earlier` versions, newest first;
    else its registry is asked, and where that does not say, the name alone counts."""
    if (named := digest_in(image)) is not None:
        return Base(named, "Named", "its name has its digest")
    for version, status in earlier:
        if status.base_image == image and status.base_digest:
            return Base(status.base_digest, "Kept", f"{image} is what it was for version {version}")
    try:
        digest = await digests.resolve(image)
    except (Permanent, Retryable) as error:
        return Base(None, "NotResolved", f"the identity has the name alone: {error}")
    return Base(digest, "Resolved", f"{image} is {digest}")


class BaseImages:
    """Looks whether what versions rest on has changed."""

    def __init__(self, environments: EnvironmentVersions, digests: ImageDigests) -> None:
        self._environments = environments
        self._digests = digests

    async def check(self, cause: Cause) -> BaseCheck:
        """Ask for the digest that each base image's name has now, and mark the versions that were built on another one.
        Of a version whose base was never resolved nothing can be said."""
        resting = [one for one in await self._environments.active() if _may_move(one)]
        images = sorted({str(one.status["base_image"]) for one in resting})
        limit = asyncio.Semaphore(AT_ONCE)
        answers = dict(zip(images, await asyncio.gather(*(self._now(one, limit) for one in images)), strict=True))
        for version in resting:
            image = str(version.status["base_image"])
            digest, _ = answers[image]
            if digest and version.status.get("base_digest"):
                await self._environments.mark_outdated(version, image, digest, cause)
        outdated = tuple(one for one in await self._environments.active() if one.status.get("outdated"))
        return BaseCheck(outdated, {image: why for image, (digest, why) in answers.items() if not digest})

    async def _now(self, image: str, limit: asyncio.Semaphore) -> tuple[str, str]:
        """The digest and "", or "" and why there is none."""
        async with limit:
            try:
                return await self._digests.resolve(image), ""
            except (Permanent, Retryable) as error:
                return "", str(error)


def _may_move(version: Resource) -> bool:
    """Whether it rests on an image that is named without its digest."""
    image = version.status.get("base_image")
    return bool(image) and digest_in(str(image)) is None
