"""Resolves requirements to a lock with `uv pip compile`: for every platform, from wheels alone, so no code is run."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from shared.environments.lock import Pin, dump_lock, read_lock
from shared.environments.requirements import Requirement
from shared.environments.uv import failure, run_uv

ARGUMENTS = (
    *("pip", "compile", "--quiet", "--universal", "--generate-hashes", "--only-binary", ":all:"),
    *("--no-header", "--no-annotate", "--no-emit-index-url"),
)


async def resolve(
    requirements: Sequence[Requirement],
    python_version: str,
    *,
    former: Sequence[Pin],
    index_url: str,
    timeout_s: float,
) -> tuple[Pin, ...]:
    """The lock of the requirements for that Python on every platform, sorted; () for no requirements. Where a pin of
    `former` still fits, it is kept. Raises Invalid with the resolver's reason when they can't be met, Retryable when
    the index does not answer or the time is over."""
    if not requirements:
        return ()
    with tempfile.TemporaryDirectory(prefix="slipway-lock-") as name:
        folder = Path(name)
        wanted, lock = folder / "requirements.in", folder / "requirements.lock"
        wanted.write_text("".join(f"{one.text}\n" for one in requirements))
        if former:
            lock.write_text(dump_lock(former))
        names = ("--python", sys.executable, "--python-version", python_version, "-o", lock.name, wanted.name)
        done = await run_uv((*ARGUMENTS, *names), folder, index_url=index_url, timeout_s=timeout_s)
        if done.code:
            raise failure(done.text, "the requirements cannot be locked")
        return read_lock(lock.read_text())
