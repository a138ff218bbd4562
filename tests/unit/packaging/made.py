"""What the tests of packaging make: layouts, folders and archives of strangers."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

from shared.packaging.descriptor import LAYER_TAR, LAYER_TAR_GZIP
from shared.packaging.layer import Layer
from shared.packaging.layout import put_blob


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*") if path.is_file() and not path.is_symlink()}  # fmt: skip


def member(
    name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.size = kind, link, mode, len(content)
    return info, content


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def strange_layer(layout: Path, *members: tuple[tarfile.TarInfo, bytes], packed: bool = False) -> Layer:
    """A layer as somebody else's program may write it."""
    plain = tar_of(*members)
    content = gzip.compress(plain, mtime=0) if packed else plain
    blob = put_blob(layout, LAYER_TAR_GZIP if packed else LAYER_TAR, content)
    return Layer(blob.digest, blob.size_bytes, f"sha256:{hashlib.sha256(plain).hexdigest()}", blob.media_type)
