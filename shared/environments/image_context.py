"""The Docker build context of an environment's image: a Dockerfile, the lock, the conda packages; always the same bytes
for the same recipe."""

from __future__ import annotations

import gzip
import io
import re
import shlex
import tarfile
from collections.abc import AsyncIterator, Mapping

from shared.errors import Invalid
from shared.ports import BuildRequest
from shared.resources.environment_build import EnvironmentRecipe

LOCK, CONDA = "requirements.lock", "conda-packages.txt"
MICROMAMBA = "docker.io/mambaorg/micromamba:2.3.0"
PREFIX = "/opt/environment"
EPOCH_S = 315532800  # 1980-01-01T00:00:00Z, the first time that a zip archive can hold
_IMAGE = re.compile(r"[A-Za-z0-9\[][A-Za-z0-9._:/@\[\]-]{0,500}")


def dockerfile_of(recipe: EnvironmentRecipe) -> str:
    """The Dockerfile of a recipe without a build context of its own. Packages are installed from the lock alone, with
    their hashes, and nothing is built from source."""
    lines = []
    if recipe.conda_packages:
        lines += [f"FROM {MICROMAMBA} AS micromamba", ""]
    lines.append(f"FROM {_image(recipe.base_reference or f'python:{recipe.python_version}-slim')}")
    if recipe.conda_packages:
        channels = " ".join(f"-c {shlex.quote(channel)}" for channel in recipe.conda_channels or ["conda-forge"])
        lines += [
            "COPY --from=micromamba /bin/micromamba /usr/local/bin/micromamba",
            f"COPY {CONDA} /tmp/{CONDA}",
            f"RUN micromamba create -y -p {PREFIX} --override-channels {channels} -f /tmp/{CONDA} "
            f"&& micromamba clean -a -y && rm /tmp/{CONDA}",
            f'ENV PATH="{PREFIX}/bin:$PATH"',
        ]
    if recipe.lock:
        lines += [
            "ARG PIP_INDEX_URL",
            f"COPY {LOCK} /tmp/{LOCK}",
            # bytecode is checked by its source's hash then, and is the same whenever it is built (PEP 552)
            f"RUN SOURCE_DATE_EPOCH={EPOCH_S} python -m pip install --no-cache-dir --no-deps --require-hashes "
            f"--only-binary :all: -r /tmp/{LOCK} && rm /tmp/{LOCK}",
        ]
    return "\n".join(lines) + "\n"


def _image(name: str) -> str:
    """The base image, when it can stand in a Dockerfile. Raises Invalid for what is no name of an image."""
    if not _IMAGE.fullmatch(name):
        raise Invalid(
            f"the base image {name[:80]!r} is no name of an image", remedy="name it as `docker pull` takes it"
        )
    return name


def files_of(request: BuildRequest) -> dict[str, bytes]:
    """The files of the context of a recipe without one of its own, by path."""
    recipe = request.recipe
    files = {"Dockerfile": dockerfile_of(recipe).encode()}
    if recipe.lock:
        files[LOCK] = request.lock.encode()
    if recipe.conda_packages:
        python = [f"python={recipe.python_version}"] if recipe.python_version else []
        files[CONDA] = "".join(f"{one}\n" for one in (*python, "pip", *recipe.conda_packages)).encode()
    return files


async def archive_of(request: BuildRequest) -> bytes:
    """The context as a .tar.gz: sorted, without times and owners."""
    if not request.recipe.context:
        return _archive(files_of(request))
    files = {file.path: await _content(request.read_file(file.sha256)) for file in request.recipe.context}
    return _archive(files)


async def _content(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


def _archive(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path, data in sorted(files.items()):
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))
    return packed.getvalue()
