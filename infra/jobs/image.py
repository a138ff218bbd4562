"""The image that jobs run in, as `azd up` makes it: `image.py tag` before it provisions, `image.py build` after it.

`tag` names the image by what goes into it, as the variable SLIPWAY_JOB_IMAGE_TAG of azd's environment, which the
parameter jobImageTag is read from; `build` has the registry build it, unless it is there. Both do nothing without a
cluster, and leave a tag alone that somebody has set. They call `azd` and `az`, which are signed in.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = "infra/jobs/Dockerfile"
REPOSITORY = "slipway/jobs"
TAG_VARIABLE, CLUSTER_VARIABLE, REGISTRY_VARIABLE = "SLIPWAY_JOB_IMAGE_TAG", "SLIPWAY_CLUSTER", "SLIPWAY_REGISTRY"
OWN = "sha-"  # how a tag of ours begins


def inputs(root: Path) -> Iterator[Path]:
    """The files that the image is made of, sorted: what .dockerignore lets through."""
    yield root / DOCKERFILE
    yield root / "requirements-local.txt"
    yield from sorted(
        path for path in (root / "shared").rglob("*") if path.is_file() and "__pycache__" not in path.parts
    )


def tag_of(root: Path) -> str:
    """`sha-` and 12 hexadecimal digits, the same for the same files."""
    digest = hashlib.sha256()
    for path in inputs(root):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    return OWN + digest.hexdigest()[:12]


def tag() -> None:
    """Set it. Raises CalledProcessError when azd fails."""
    if os.environ.get(CLUSTER_VARIABLE, "none") in ("", "none"):
        return
    if (given := os.environ.get(TAG_VARIABLE, "")) and not given.startswith(OWN):
        print(f"jobs run in the image {REPOSITORY}:{given}, which is not built here")
        return
    _run("azd", "env", "set", TAG_VARIABLE, tag_of(ROOT))


def build() -> None:
    """Build it. Raises CalledProcessError when the registry cannot."""
    named, registry = os.environ.get(TAG_VARIABLE, ""), os.environ.get(REGISTRY_VARIABLE, "").partition(".")[0]
    if not (named.startswith(OWN) and registry):
        return
    image = f"{REPOSITORY}:{named}"
    shown = ("az", "acr", "repository", "show", "--name", registry, "--image", image, "--output", "none")
    if subprocess.run(_found(shown), capture_output=True, check=False).returncode == 0:
        print(f"{image} is there")
        return
    _run("az", "acr", "build", "--registry", registry, "--image", image, "--file", DOCKERFILE, ".")


def _run(*command: str) -> None:
    subprocess.run(_found(command), cwd=ROOT, check=True)


def _found(command: tuple[str, ...]) -> list[str]:
    """With the program's own path: on Windows `az` is a script."""
    return [shutil.which(command[0]) or command[0], *command[1:]]


if __name__ == "__main__":
    steps = {"tag": tag, "build": build}
    if sys.argv[1:2] and sys.argv[1] in steps:
        steps[sys.argv[1]]()
    else:
        sys.exit(__doc__)
