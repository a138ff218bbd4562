"""Container engines of this machine, as commands: podman and buildah, which need no daemon, and docker.

podman and buildah keep all that belongs to a build in the build's own folder, so that it goes with the folder; what
docker builds is in its daemon, and is removed from there. How they isolate and store is theirs to say: their own
variables (BUILDAH_ISOLATION, STORAGE_DRIVER, CONTAINERS_CONF, REGISTRY_AUTH_FILE, DOCKER_HOST ...) reach them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from shared.environments.image_context import EPOCH_S

EngineName = Literal["podman", "buildah", "docker"]
EngineChoice = Literal["auto", "none", "podman", "buildah", "docker"]
ORDER: tuple[EngineName, ...] = ("podman", "buildah", "docker")  # in which `auto` looks
DOCKER_SOCKET = Path("/var/run/docker.sock")
# What an engine may see of this process: never Slipway's own settings, keys and tokens.
_PASSED = ("PATH", "HOME", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR", "REGISTRY_AUTH_FILE", "DBUS_SESSION_BUS_ADDRESS")
_PASSED_PREFIXES = ("BUILDAH_", "STORAGE_", "CONTAINERS_", "DOCKER_", "BUILDKIT_", "XDG_")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


@dataclass(frozen=True, slots=True)
class BuildOf:
    """One build, by an engine."""

    work: Path  # its folder
    context: Path  # the build context, unpacked
    dockerfile: Path  # in the context
    tag: str  # what the image is called in the engine
    index_url: str  # the package index, "" for pip's own


@dataclass(frozen=True, slots=True)
class ContainerEngine:
    """One that is present."""

    name: EngineName
    program: str  # its path

    @property
    def has_daemon(self) -> bool:
        """Whether what it builds is somewhere else than in the build's folder."""
        return self.name == "docker"

    def build_command(self, one: BuildOf) -> list[str]:
        """Builds the image. Times are fixed, so that the same files give the same digest; nothing is left of steps in
        between."""
        index = ["--build-arg", f"PIP_INDEX_URL={one.index_url}"] if one.index_url else []
        common = ["--force-rm", "--file", str(one.dockerfile), "--tag", one.tag, *index, str(one.context)]
        if self.has_daemon:
            return [self.program, "build", "--build-arg", f"SOURCE_DATE_EPOCH={EPOCH_S}", *common]
        return [*self._own(one.work), "build", "--layers=false", "--timestamp", str(EPOCH_S), *common]

    def export_command(self, one: BuildOf) -> list[str]:
        """Writes the image to `exported`: an OCI layout, or docker's archive."""
        if self.has_daemon:
            return [self.program, "save", "--output", str(self.exported(one)), one.tag]
        return [*self._own(one.work), "push", one.tag, f"oci:{self.exported(one)}:built"]

    def exported(self, one: BuildOf) -> Path:
        """Where `export_command` writes."""
        return one.work / ("image.tar" if self.has_daemon else "image")

    def remove_command(self, one: BuildOf) -> list[str] | None:
        """Removes what is not in the build's folder, or what this user cannot remove himself; None for nothing."""
        if self.has_daemon:
            return [self.program, "image", "rm", "--force", one.tag]
        # Without root the files belong to subordinate users of the engine's namespace.
        return None if os.geteuid() == 0 else [self.program, "unshare", "rm", "-rf", str(one.work)]

    def environment(self, work: Path, environ: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment variables it runs with; what it keeps for a while is in `work`."""
        source = os.environ if environ is None else environ
        kept = {k: v for k, v in source.items() if k in (*_PASSED, *_PROXIES) or k.startswith(_PASSED_PREFIXES)}
        return {**kept, "TMPDIR": str(work / "tmp"), "NO_COLOR": "1", "BUILDKIT_PROGRESS": "plain"}

    def _own(self, work: Path) -> list[str]:
        return [self.program, "--root", str(work / "storage"), "--runroot", str(run_folder(work))]


def run_folder(work: Path) -> Path:
    """What podman and buildah need only while they run, in the system's temporary folder, not this process's: podman
    takes no path of more than 50 characters for it."""
    return Path(os.environ.get("TMPDIR") or "/tmp") / f"slipway-{work.name.rpartition('-')[2]}"  # noqa: S108


def find_engine(choice: EngineChoice, environ: Mapping[str, str] | None = None) -> ContainerEngine | None:
    """The chosen engine, with `auto` the first that is present; None for `none`, and when it is not present. Docker is
    present when there is a daemon, too: DOCKER_HOST names it, or its socket is there."""
    source = os.environ if environ is None else environ
    for name in ORDER if choice == "auto" else [one for one in ORDER if one == choice]:
        program = shutil.which(name, path=source.get("PATH"))
        if program and (name != "docker" or source.get("DOCKER_HOST") or DOCKER_SOCKET.exists()):
            return ContainerEngine(name, program)
    return None
