"""The scoring server's packages for an environment on this machine that has not all of them."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Collection
from pathlib import Path

from shared.environments.lock import dump_lock
from shared.environments.uv import failure, run_uv
from shared.errors import Invalid
from shared.packaging.server import server_pins

TIMEOUT_S = 600.0
ROOT = Path(__file__).resolve().parents[2]  # what holds the package `shared`, and so the server


async def server_path(folder: Path, environment: Path, packages: Collection[str], *, index_url: str = "") -> str:
    """The PYTHONPATH that the environment's Python needs to run `-m shared.scoring`. What the server needs and the
    environment (which has `packages`, by name) has not is installed below `folder`, once. Raises Invalid for what is no
    virtual environment, and with uv's reason, Retryable when the index does not answer."""
    if not (environment / "bin" / "python").exists():
        raise Invalid(
            f"the environment {environment} is no virtual environment on this machine",
            remedy="declare its packages as `pip`, or serve it as an image: `slipway model package`",
        )
    pins = server_pins(without=packages)
    lock = dump_lock(pins)
    key = hashlib.sha256(f"{lock}\\0{environment}".encode()).hexdigest()[:16]
    target = (folder / f"server-{key}").resolve()
    if pins and not target.exists():
        work = target.with_name(f".{target.name}-{os.getpid()}")
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        (work / "requirements.lock").write_text(lock)
        arguments = ("pip", "install", "--target", ".", "--no-deps", "--require-hashes", "--only-binary", ":all:")
        more = ("--python", str(environment / "bin" / "python"), "-r", "requirements.lock")
        done = await run_uv((*arguments, *more), work, index_url=index_url, timeout_s=TIMEOUT_S)
        if done.code:
            raise failure(done.text, "the scoring server's packages cannot be installed")
        try:
            work.rename(target)
        except OSError:  # somebody else was faster
            shutil.rmtree(work, ignore_errors=True)
    return os.pathsep.join([str(ROOT), str(target)])
