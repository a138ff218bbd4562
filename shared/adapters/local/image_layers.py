"""The layers of a model's image on this machine. Packages are installed by uv for the image's platform, not for this
one, so no emulation is needed: wheels are only unpacked."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from shared.adapters.local.builds import Say
from shared.environments.lock import Pin, dump_lock
from shared.environments.uv import failure, run_uv
from shared.errors import ArtifactCorrupted
from shared.packaging.entries import Entry, folder_entries
from shared.packaging.layer import Layer, write_layer
from shared.packaging.layout import blob_path
from shared.packaging.server import server_entries
from shared.resources.model import ModelFile

PACKAGES = "opt/slipway/packages"  # the environment's packages, in the image
SERVER_PACKAGES = "opt/slipway/server-packages"  # those of the server that the environment has not
MODELS = "var/azureml-app/azureml-models"  # Azure ML's place for models
# manylinux_2_28: what current wheels of onnxruntime, numpy and scikit-learn are built for (PEP 600).
UV_PLATFORM = {"linux/amd64": "x86_64-manylinux_2_28", "linux/arm64": "aarch64-manylinux_2_28"}
_LEFT_OUT = ("bin", "Scripts")  # commands, which would begin with a path of this machine


class ImageLayers:
    """Makes layers in an OCI layout, working in the folder `work`. A layer of packages is kept by what
    is in it, and made once."""

    def __init__(self, layout: Path, work: Path, index_url: str, timeout_s: float) -> None:
        self._layout = layout
        self._work = work
        self._index_url = index_url
        self._timeout_s = timeout_s

    async def packages(self, pins: Sequence[Pin], python: str, platform: str, target: str, say: Say) -> Layer:
        """The layer of locked packages for a platform. Raises Invalid with uv's reason, Retryable when the index does
        not answer."""
        lock = dump_lock(pins)
        key = hashlib.sha256(f"{lock}\0{python}\0{platform}\0{target}".encode()).hexdigest()
        if (kept := self._kept(key)) is not None:
            say(f"packages for {platform}: {kept.digest}, made before")
            return kept
        work = self._work / "packages"
        try:
            await self._install(lock, python, platform, work, say)
            layer = await asyncio.to_thread(_layer_of, work / "packages", target, self._layout)
        finally:
            await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)
        say(f"packages for {platform}: {layer.digest}, {layer.size_bytes} bytes")
        self._keep(key, layer)
        return layer

    async def _install(self, lock: str, python: str, platform: str, work: Path, say: Say) -> None:
        (work / "packages").mkdir(parents=True)
        (work / "requirements.lock").write_text(lock)
        arguments = (
            *("pip", "install", "--target", "packages", "--no-deps", "--require-hashes", "--only-binary", ":all:"),
            *("--no-config", "--link-mode", "hardlink", "--python-platform", UV_PLATFORM[platform]),
            *("--python-version", python, "-r", "requirements.lock"),
        )
        done = await run_uv(arguments, work, index_url=self._index_url, timeout_s=self._timeout_s, say=say)
        if done.code:
            raise failure(done.text, f"the packages cannot be installed for {platform}")

    async def server(self) -> Layer:
        """The layer of the scoring server's own files."""
        return await asyncio.to_thread(write_layer, list(server_entries()), self._layout)

    async def model(
        self, folder: str, files: Sequence[ModelFile], read_file: Callable[[str], AsyncIterator[bytes]], say: Say
    ) -> Layer:
        """The layer of a model's files, uncompressed: weights do not compress. Raises NotFound, ArtifactCorrupted."""
        work = self._work / "model"
        work.mkdir(parents=True)
        try:
            entries = []
            for number, file in enumerate(files):
                await _spool(read_file(file.sha256), work / str(number), file)
                entries.append(Entry(f"{MODELS}/{folder}/{file.path}", work / str(number), 0o644))
            layer = await asyncio.to_thread(write_layer, entries, self._layout, compressed=False)
        finally:
            await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)
        say(f"model {folder}: {layer.digest}, {layer.size_bytes} bytes")
        return layer

    def _kept(self, key: str) -> Layer | None:
        try:
            layer = Layer(**json.loads((self._layout / "layers" / key).read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return layer if blob_path(self._layout, layer.digest).exists() else None

    def _keep(self, key: str, layer: Layer) -> None:
        folder = self._layout / "layers"
        folder.mkdir(exist_ok=True)
        partial = folder / f".{secrets.token_hex(8)}"
        partial.write_text(json.dumps(asdict(layer)))
        partial.rename(folder / key)


def _layer_of(packages: Path, target: str, layout: Path) -> Layer:
    for name in _LEFT_OUT:
        shutil.rmtree(packages / name, ignore_errors=True)
    (packages / ".lock").unlink(missing_ok=True)  # uv's own
    return write_layer(folder_entries(packages, target), layout)


async def _spool(chunks: AsyncIterator[bytes], path: Path, file: ModelFile) -> None:
    size_bytes = 0
    with path.open("wb") as out:
        async for chunk in chunks:
            await asyncio.to_thread(out.write, chunk)
            size_bytes += len(chunk)
    if size_bytes != file.size_bytes:
        raise ArtifactCorrupted(f"{file.path} has {size_bytes} bytes in the store, {file.size_bytes} were registered")
