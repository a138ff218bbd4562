"""An image's config and manifest (OCI image-spec 1.1, config.md, manifest.md), reproducible: canonical JSON, time 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.errors import Fault, Invalid
from shared.packaging.base import BaseImage
from shared.packaging.descriptor import (
    CONFIG,
    DEFAULT_PLATFORM,
    MANIFEST,
    Descriptor,
    canonical_json,
    platform_document,
)
from shared.packaging.layer import Layer
from shared.packaging.layout import adopt_blob, put_blob, write_index

__all__ = ["Descriptor", "ImageConfig", "assemble", "write_index"]

CREATED = "1970-01-01T00:00:00Z"
CREATED_BY = "slipway"


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """How a container of the image starts; what is empty stays the base's."""

    env: Mapping[str, str] = field(default_factory=dict)  # added to the base's, each name once
    entrypoint: Sequence[str] = ()  # replaces the base's, whose arguments then fall away
    cmd: Sequence[str] = ()  # arguments of the entry point
    working_dir: str = ""  # absolute
    user: str = ""  # UID or UID:GID, or names of the image's own
    exposed_ports: Sequence[int] = ()  # TCP
    labels: Mapping[str, str] = field(default_factory=dict)  # added to the base's

    def merged(self, base: Mapping[str, Any]) -> dict[str, Any]:
        """The `config` of the image, over its base's. Raises Invalid for what no container can have."""
        self._check()
        config = dict(base)
        if self.env:
            given = dict(entry.partition("=")[::2] for entry in base.get("Env") or ())
            config["Env"] = [f"{name}={value}" for name, value in {**given, **dict(sorted(self.env.items()))}.items()]
        if self.entrypoint:
            config["Entrypoint"] = list(self.entrypoint)
            config.pop("Cmd", None)
        if self.cmd:
            config["Cmd"] = list(self.cmd)
        if self.exposed_ports:
            ports: dict[str, Any] = {f"{port}/tcp": {} for port in self.exposed_ports}
            config["ExposedPorts"] = {**(base.get("ExposedPorts") or {}), **ports}
        if self.labels:
            config["Labels"] = {**(base.get("Labels") or {}), **self.labels}
        config.update({key: value for key, value in (("WorkingDir", self.working_dir), ("User", self.user)) if value})
        return config

    def _check(self) -> None:
        faults = [
            Fault(f"{name[:100]!r} is no name or no value of an environment variable")
            for name, value in self.env.items()
            if not name or "=" in name or "\0" in name + value
        ]
        faults += [Fault(f"{port} is not a port", allowed="1 to 65535") for port in self.exposed_ports
                   if not 1 <= port <= 65535]  # fmt: skip
        if self.working_dir and not self.working_dir.startswith("/"):
            faults.append(Fault(f"the working directory {self.working_dir[:100]!r} is not absolute"))
        if faults:
            raise Invalid("no container can be started so", faults=tuple(faults))


def assemble(
    layout: Path,
    layers: Sequence[Layer],
    config: ImageConfig,
    *,
    platform: str = DEFAULT_PLATFORM,
    base: BaseImage | None,
    annotations: Mapping[str, str] | None = None,
) -> Descriptor:
    """Write config and manifest of an image: the base's layers (brought into the layout, verified), then `layers`,
    which are there already. What names the manifest comes out; `write_index` gives it a tag. Without a base the image
    is of `layers` alone. Raises Invalid when the base is of another platform, there is no layer, or `config` is not
    possible; NotFound and ArtifactCorrupted for blobs of the base."""
    if base is not None and base.platform != platform:
        raise Invalid(
            f"the base image is for {base.platform}, not for {platform}", remedy=f"name a base image for {platform}"
        )
    below = base.layers if base else ()
    every = [*below, *layers]
    if not every:
        raise Invalid("an image needs a layer", remedy="give a base image or at least one layer")
    if base:
        for layer in below:
            adopt_blob(base.layout, layer.digest, layout)
    document = _config(every, len(layers), config, platform, base)
    written = put_blob(layout, CONFIG, canonical_json(document))
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": written.document(),
        "layers": [Descriptor(each.media_type, each.digest, each.size_bytes).document() for each in every],
    }
    if annotations:
        manifest["annotations"] = dict(annotations)
    named = put_blob(layout, MANIFEST, canonical_json(manifest))
    return Descriptor(MANIFEST, named.digest, named.size_bytes, platform)


def _config(
    every: Sequence[Layer], new: int, config: ImageConfig, platform: str, base: BaseImage | None
) -> dict[str, Any]:
    inherited = dict(base.config) if base else {}
    added = [{"created": CREATED, "created_by": CREATED_BY}] * new
    return {
        **inherited,
        **platform_document(platform),
        "created": CREATED,
        "config": config.merged(inherited.get("config") or {}),
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in every]},
        "history": [*(base.history if base else ()), *added],
    }
