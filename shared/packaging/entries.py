"""What goes into a layer: files, links and folders, in one order, with nothing that depends on who built it."""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from shared.errors import Fault, Invalid

TARGET_RULE = (
    "a relative path with '/' between its parts; none is empty, '.' or '..', starts with '.wh.' (a whiteout: OCI "
    "image-spec, layer.md), has control characters or more than 255 bytes of UTF-8"
)
MAX_PART_BYTES = 255  # of common file systems
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_WHITEOUT = ".wh."


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, symbolic link or folder of a layer; its owner is 0:0 and its time is 0."""

    target: str  # its path in the image, without a leading '/'
    source: Path | bytes | None  # the file or its content; None for a folder and for a link
    mode: int | None = None  # permission bits; None: 0o755 for executable files and folders, 0o644 for other files
    link_target: str | None = None  # what a symbolic link says; `source` has no meaning then

    @property
    def is_folder(self) -> bool:
        """Whether it is one."""
        return self.source is None and self.link_target is None

    @property
    def written_mode(self) -> int:
        """The mode that it gets. Raises OSError when the file that decides it cannot be looked at."""
        if self.mode is not None:
            return self.mode
        if isinstance(self.source, Path):
            return 0o755 if self.source.stat().st_mode & stat.S_IXUSR else 0o644
        return 0o755 if self.is_folder else 0o644


def folder_entries(folder: Path, target: str = "") -> Iterator[Entry]:
    """What is in `folder`, sorted, at the path `target` of the image ("": its root): files, empty folders, and symbolic
    links that stay inside. Compiled Python (__pycache__, *.pyc) is left out: it holds times. Of the modes only whether
    the owner may execute is kept. Raises Invalid when `folder` is none, and for links that lead out, devices, sockets
    and names that break TARGET_RULE, with every fault."""
    yield from _sorted(folder, target, _link_fault)


def root_entries(folder: Path) -> Iterator[Entry]:
    """A whole root file system, sorted: as `folder_entries`, but modes are kept and links may be absolute, as they are
    relative to the container's root."""
    for entry in _sorted(folder, "", lambda _folder, _path: None):
        if entry.link_target is None:
            mode = stat.S_IMODE((folder / entry.target).lstat().st_mode)
            entry = Entry(entry.target, entry.source, mode)
        yield entry


def ordered(entries: Iterable[Entry]) -> list[Entry]:
    """Entries and the folders they are in, each once, by the bytes of their paths, so that a folder comes before what
    is in it. Raises Invalid with every fault: paths that break TARGET_RULE, modes that are none, two of one path,
    something in what is no folder."""
    found: dict[str, Entry] = {}
    faults: list[Fault] = []
    for entry in entries:
        shown = entry.target[:200]
        if not is_valid_target(entry.target):
            faults.append(Fault(f"the path {shown!r} cannot be in a layer", allowed=TARGET_RULE))
        elif entry.mode is not None and not 0 <= entry.mode <= 0o7777:
            faults.append(Fault(f"the mode {entry.mode} of {shown!r} is none", allowed="0 to 0o7777"))
        elif entry.target in found:
            faults.append(Fault(f"{shown!r} is there twice"))
        found[entry.target] = entry
    for target in list(found):
        for parent in _parents(target):
            if not found.setdefault(parent, Entry(parent, None)).is_folder:
                faults.append(Fault(f"{target[:200]!r} is in {parent[:200]!r}, which is no folder"))
    if faults:
        raise Invalid("a layer cannot be made of these files", faults=tuple(faults[:100]))
    return sorted(found.values(), key=lambda entry: entry.target.encode())


def is_valid_target(target: str) -> bool:
    """Whether `target` keeps TARGET_RULE."""
    return all(_is_valid_part(part) for part in target.split("/"))


def _is_valid_part(part: str) -> bool:
    if part in ("", ".", "..") or part.startswith(_WHITEOUT) or _CONTROL.search(part):
        return False
    try:
        return len(part.encode()) <= MAX_PART_BYTES
    except UnicodeEncodeError:  # a file's name that is not UTF-8
        return False


def _parents(target: str) -> Iterator[str]:
    while target := target.rpartition("/")[0]:
        yield target


def _sorted(folder: Path, target: str, link_fault: Callable[[Path, Path], str | None]) -> Iterator[Entry]:
    if not folder.is_dir():
        raise Invalid(f"{folder} is not a folder", remedy="name the folder whose files belong into the image")
    faults: list[Fault] = []
    entries: list[Entry] = []
    for path, status in _walk(folder):
        relative = path.relative_to(folder).as_posix()
        entry = _entry(path, status, posixpath.join(target, relative))
        fault = "is a device, a socket or a pipe" if entry is None else None
        if entry and not is_valid_target(entry.target):
            fault = f"has a name that cannot be in a layer (allowed: {TARGET_RULE})"
        elif entry and entry.link_target is not None:
            fault = link_fault(folder, path)
        if fault:
            faults.append(Fault(f"{relative[:200]!r} {fault}"))
        elif entry:
            entries.append(entry)
    if faults:
        raise Invalid(f"{folder} cannot become a layer", faults=tuple(faults[:100]))
    yield from sorted(entries, key=lambda entry: entry.target.encode())


def _walk(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Everything but compiled Python, and of the folders only those without anything in them."""
    with os.scandir(folder) as found:
        items = sorted(found, key=lambda item: item.name)
    for item in items:
        path, status = Path(item.path), item.stat(follow_symlinks=False)
        if not stat.S_ISDIR(status.st_mode):
            if not item.name.endswith(".pyc"):
                yield path, status
        elif item.name != "__pycache__":
            inside = list(_walk(path))
            yield from inside or [(path, status)]


def _entry(path: Path, status: os.stat_result, target: str) -> Entry | None:
    if stat.S_ISLNK(status.st_mode):
        return Entry(target, None, link_target=os.readlink(path))
    if stat.S_ISDIR(status.st_mode):
        return Entry(target, None)
    if stat.S_ISREG(status.st_mode):
        return Entry(target, path, 0o755 if status.st_mode & stat.S_IXUSR else 0o644)
    return None


def _link_fault(folder: Path, path: Path) -> str | None:
    """Why a link may not be kept. Both what it says and where it leads are looked at: through a link to a folder, the
    two may differ."""
    link = os.readlink(path)
    if os.path.isabs(link):
        return f"is a link to the absolute path {link[:200]!r}"
    said = posixpath.normpath(posixpath.join(path.parent.relative_to(folder).as_posix(), link))
    leads = Path(os.path.realpath(path))
    if said.split("/")[0] == ".." or not leads.is_relative_to(os.path.realpath(folder)):
        return f"is a link out of the folder, to {link[:200]!r}"
    return None
