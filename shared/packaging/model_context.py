"""The build context of a model's image: what `slipway model package --context` writes, and ACR Tasks builds."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

from shared.environments.lock import dump_lock, read_lock
from shared.packaging.build_context import APP_ROOT, PackagedModel, model_dir, write_context
from shared.packaging.entries import Entry
from shared.packaging.image import ImageConfig
from shared.packaging.server import server_entries, server_pins
from shared.resources.image import ImageRecipe

PORT = 5001  # Azure ML's for inference servers


def write_model_context(folder: Path, recipe: ImageRecipe, lock: str, files: Sequence[Entry]) -> Path:
    """Write the context into a new folder; the Dockerfile's path comes out. `files` are the model's, by their paths in
    it. The packages are the environment's, and what the scoring server needs besides. Raises Invalid as write_context."""
    pins = read_lock(lock)
    every = (*pins, *server_pins(without={pin.name for pin in pins}))
    model = PackagedModel(recipe.model_name, recipe.model_version, files)
    place = model_dir([model])
    env = {"PYTHONPATH": APP_ROOT, "PYTHONDONTWRITEBYTECODE": "1", "SERVER_PORT": str(PORT)}
    if recipe.entry_script:
        env |= {"AML_APP_ROOT": place, "AZUREML_ENTRY_SCRIPT": recipe.entry_script}
    return write_context(
        folder,
        base_image=recipe.base_image,
        base_digest=None,
        lock=dump_lock(every),
        app=server_entries(below=""),
        models=[model],
        config=ImageConfig(env=env, entrypoint=("python3", "-m", "shared.scoring"), exposed_ports=(PORT,)),
    )


def context_archive(folder: Path) -> bytes:
    """The context as a .tar.gz: sorted, without times and owners."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted(folder.rglob("*")):
            tar.add(path, path.relative_to(folder).as_posix(), recursive=False, filter=_plain)
    return packed.getvalue()


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.mtime, info.uid, info.gid, info.uname, info.gname = 0, 0, 0, "", ""
    return info
