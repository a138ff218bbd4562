"""What an image is built on: an image of a layout on disk, or a root file system."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.errors import Invalid, NotFound, NotSupported
from shared.packaging.descriptor import (
    DEFAULT_PLATFORM,
    DOCKER_LAYER,
    INDEXES,
    LAYER_TAR,
    LAYER_TAR_GZIP,
    LAYER_TAR_ZSTD,
    MANIFESTS,
    Descriptor,
    checked_digest,
    platform_document,
    platform_of,
)
from shared.packaging.entries import root_entries
from shared.packaging.layer import Layer, write_layer, write_tar
from shared.packaging.layout import READ_BYTES, read_document, read_index, ref_name
from shared.packaging.referrers import is_referrers_tag

MAX_DEPTH = 4  # of indexes in indexes
_LAYER_TYPES = {kind: kind for kind in (LAYER_TAR, LAYER_TAR_GZIP, LAYER_TAR_ZSTD)} | {DOCKER_LAYER: LAYER_TAR_GZIP}
_GZIP_MAGIC = b"\x1f\x8b"
_TAR_MAGIC, _TAR_MAGIC_OFFSET = b"ustar", 257  # POSIX.1-2017, pax, "ustar Interchange Format"


@dataclass(frozen=True, slots=True)
class BaseImage:
    """Layers, and the config they come with."""

    layout: Path  # where its blobs are
    layers: tuple[Layer, ...]  # the lowest first
    config: Mapping[str, Any]  # the whole config document (OCI image-spec, config.md)
    platform: str
    digest: str | None  # of its manifest; None for a root file system

    @property
    def history(self) -> list[dict[str, Any]]:
        """The config's, when it speaks of each layer; otherwise one line for each layer."""
        history = [line for line in self.config.get("history") or () if isinstance(line, dict)]
        if sum(not line.get("empty_layer") for line in history) == len(self.layers):
            return history
        return [{"created_by": "base"} for _ in self.layers]


def base_of_layout(folder: Path, tag: str | None = None, platform: str = DEFAULT_PLATFORM) -> BaseImage:
    """The image `tag` of an OCI layout, for `platform`; None for the only one there. Its layers are verified when an
    image is assembled of them. Raises NotFound when there is no such image or platform, Invalid when the layout or the
    image is damaged or the tag says too little, NotSupported for layers that are not in the registry."""
    return base_of_manifest(folder, _find(folder, _entry(folder, tag), platform), platform)


def base_of_manifest(folder: Path, digest: str, platform: str = DEFAULT_PLATFORM) -> BaseImage:
    """The image whose manifest, in the layout `folder`, has this digest; raises as `base_of_layout`."""
    manifest = read_document(folder, digest)
    where = f"the manifest {digest} of {folder}"
    config = read_document(folder, Descriptor.parse(manifest.get("config"), where).digest)
    _check_config(config, where)
    diff_ids = [checked_digest(each, where) for each in config["rootfs"]["diff_ids"]]
    listed = Descriptor.parse_all(manifest.get("layers"), where)
    if len(diff_ids) != len(listed):
        raise Invalid(f"{where} has {len(listed)} layers, its config {len(diff_ids)}")
    if (found := platform_of(config)) != platform:
        raise NotFound(f"{where} is for {found}, not for {platform}")
    layers = [Layer(each.digest, each.size_bytes, diff_id, _layer_type(each, where))
              for each, diff_id in zip(listed, diff_ids, strict=True)]  # fmt: skip
    return BaseImage(folder, tuple(layers), config, platform, digest)


def base_of_root(folder_or_tar: Path, layout: Path, *, platform: str = DEFAULT_PLATFORM) -> BaseImage:
    """A root file system as one compressed layer in `layout`. A folder becomes the same bytes each time (owners 0:0, no
    times, no devices allowed); a tar archive, which may be gzipped, is taken byte for byte, with the owners and devices
    it has. Raises Invalid when it is neither."""
    if folder_or_tar.is_dir():
        layer = write_layer(root_entries(folder_or_tar), layout)
    else:
        layer = write_tar(_tar_pieces(folder_or_tar), layout)
    return BaseImage(layout, (layer,), platform_document(platform), platform, None)


def _entry(folder: Path, tag: str | None) -> Descriptor:
    entries = [entry for entry in read_index(folder) if not is_referrers_tag(ref_name(entry))]
    names = sorted({ref_name(entry) or "(no tag)" for entry in entries})
    found = [entry for entry in entries if tag in (None, ref_name(entry))]
    if not found:
        raise NotFound(f"the image layout {folder} has no image {tag or ''}; it has {', '.join(names) or 'none'}")
    if len({entry["digest"] for entry in found}) > 1:
        raise Invalid(f"the image layout {folder} has several images", remedy=f"name one of {', '.join(names)}")
    return Descriptor.parse(found[0], f"{folder}/index.json")


def _find(folder: Path, entry: Descriptor, platform: str) -> str:
    """The digest of the manifest for `platform` under an entry, which may be an index of others."""
    for _ in range(MAX_DEPTH):
        if entry.media_type in MANIFESTS:
            return entry.digest
        if entry.media_type not in INDEXES:
            raise Invalid(f"{entry.digest} of {folder} is no image but {entry.media_type[:100]}")
        entry = choose_platform(read_document(folder, entry.digest), platform, f"{entry.digest} of {folder}")
    raise Invalid(f"{folder} has indexes in indexes, more than {MAX_DEPTH} deep")


def choose_platform(index: Mapping[str, Any], platform: str, where: str) -> Descriptor:
    """The entry of an image index that is for `platform`, or an index further down that says no platform. Raises
    NotFound when there is none."""
    entries = Descriptor.parse_all(index.get("manifests"), where)
    for entry in entries:
        if entry.platform == platform or (entry.platform is None and entry.media_type in INDEXES):
            return entry
    there = sorted({entry.platform for entry in entries if entry.platform})
    raise NotFound(f"{where} has no image for {platform}; it has {', '.join(there) or 'none'}")


def _check_config(document: Mapping[str, Any], where: str) -> None:
    """Raises Invalid when what is read of a config has not the form of OCI image-spec, config.md."""
    config, rootfs = document.get("config"), document.get("rootfs")
    sound = isinstance(rootfs, dict) and isinstance(rootfs.get("diff_ids"), list)
    sound = sound and isinstance(config, dict | None) and isinstance(document.get("history"), list | None)
    if sound and isinstance(config, dict):
        env = config.get("Env") or []
        sound = isinstance(env, list) and all(isinstance(each, str) for each in env)
        sound = sound and all(isinstance(config.get(key), dict | None) for key in ("Labels", "ExposedPorts"))
    if not sound:
        raise Invalid(f"the config of {where} has not the form of one", remedy="use another base image")


def _layer_type(layer: Descriptor, where: str) -> str:
    if layer.media_type not in _LAYER_TYPES:
        raise NotSupported(
            f"{where} has a layer of the type {layer.media_type[:100]}",
            remedy="use a base of tar archives",
        )
    return _LAYER_TYPES[layer.media_type]


def _tar_pieces(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            packed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        with gzip.open(path) if packed else path.open("rb") as file:
            piece = file.read(READ_BYTES)
            if not piece[_TAR_MAGIC_OFFSET:].startswith(_TAR_MAGIC):
                raise Invalid(f"{path} is no tar archive (allowed: .tar, .tar.gz, a folder)")
            while piece:
                yield piece
                piece = file.read(READ_BYTES)
    except FileNotFoundError:
        raise NotFound(f"there is no root file system {path}", remedy="make one, as mmdebstrap does") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Invalid(f"{path} is damaged: {error}") from None
