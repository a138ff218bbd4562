"""What a container engine may leave when it is killed: processes, and file systems mounted below the build's folder."""

from __future__ import annotations

import subprocess
from pathlib import Path

from shared.environments.running import kill_tree

_PROC = Path("/proc")
UMOUNT_TIMEOUT_S = 30


def end_leftovers(work: Path) -> None:
    """End the engines that still build in the folder, for a Slipway that died: known by their TMPDIR."""
    wanted = f"TMPDIR={work / 'tmp'}".encode()
    for folder in _PROC.glob("[0-9]*"):
        try:
            environ = (folder / "environ").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError, PermissionError):  # ended meanwhile, or another user's
            continue
        if wanted in environ:
            kill_tree(int(folder.name))


def unmount_below(folder: Path) -> None:
    """Take away what is mounted below the folder, the innermost first; nothing where there is no /proc."""
    mounts = _PROC / "self" / "mountinfo"
    if not mounts.exists():
        return
    points = [_unescaped(line.split()[4]) for line in mounts.read_text().splitlines()]  # proc(5)
    for point in sorted((one for one in points if Path(one).is_relative_to(folder)), key=len, reverse=True):
        subprocess.run(["umount", "--lazy", point], check=False, capture_output=True, timeout=UMOUNT_TIMEOUT_S)


def _unescaped(point: str) -> str:
    """A mount point of mountinfo, where a space is \\040."""
    return point.encode().decode("unicode_escape").encode("latin-1", "replace").decode(errors="replace")
