"""The build context of an environment's image: the same bytes each time, and nothing in it is run that is a name."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator

import pytest

from shared.environments.image_context import archive_of, dockerfile_of, files_of
from shared.errors import Invalid
from shared.ports import BuildRequest
from shared.resources.environment_build import EnvironmentRecipe


async def nothing(sha256: str) -> AsyncIterator[bytes]:
    raise AssertionError(sha256)
    yield b""


RECIPE = EnvironmentRecipe(
    base_image="mcr.example/base:1",
    python_version="3.11",
    lock=["alpha==1.0 --hash=sha256:" + "0" * 64],
    conda_channels=["conda-forge", "$(touch /tmp/x)"],
    conda_packages=["numpy>=1.20"],
)


def test_packages_are_installed_from_the_lock_and_the_conda_specs_alone() -> None:
    text = dockerfile_of(RECIPE)
    assert text.index("micromamba create") < text.index("pip install")
    assert "-c conda-forge -c '$(touch /tmp/x)'" in text
    assert "--no-deps --require-hashes --only-binary :all:" in text
    files = files_of(BuildRequest(RECIPE, nothing, 60))
    assert files["conda-packages.txt"] == b"python=3.11\npip\nnumpy>=1.20\n"
    assert sorted(files) == ["Dockerfile", "conda-packages.txt", "requirements.lock"]
    assert dockerfile_of(EnvironmentRecipe(python_version="3.12")) == "FROM python:3.12-slim\n"


@pytest.mark.parametrize("image", ["a\nRUN evil", "-a", "a b", "", "a" * 600])
def test_an_image_is_a_name_and_nothing_else(image: str) -> None:
    with pytest.raises(Invalid, match="is no name of an image"):
        dockerfile_of(RECIPE.model_copy(update={"base_image": image or " "}))


async def test_the_same_recipe_gives_the_same_bytes() -> None:
    request = BuildRequest(RECIPE, nothing, 60)
    first, again = await archive_of(request), await archive_of(request)
    assert first == again
    assert b"Dockerfile" in gzip.decompress(first)
