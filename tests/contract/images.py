"""Images, artifacts and clients for the tests of registries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shared.adapters.registry import DistributionRegistry
from shared.packaging.descriptor import EMPTY, MANIFEST, Descriptor, canonical_json
from shared.packaging.image import ImageConfig, assemble
from shared.packaging.layer import Entry, write_layer
from shared.packaging.layout import put_blob
from tests.doubles.registry import RegistryDouble

REPOSITORY = "models/diabetes"


def image(layout: Path, content: bytes = b"model", platform: str = "linux/amd64") -> Descriptor:
    layer = write_layer([Entry("app/model.bin", content)], layout)
    return assemble(layout, [layer], ImageConfig(user="65532"), platform=platform, base=None)


def artifact(layout: Path, subject: Descriptor, content: bytes) -> Descriptor:
    """A manifest about another one."""
    manifest = {
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "text/plain", "annotations": {"a": "1"},
        "config": put_blob(layout, EMPTY, b"{}").document(),
        "layers": [put_blob(layout, "text/plain", content).document()],
        "subject": Descriptor(subject.media_type, subject.digest, subject.size_bytes).document(),
    }  # fmt: skip
    return put_blob(layout, MANIFEST, canonical_json(manifest))


def client(double: RegistryDouble, **options: Any) -> DistributionRegistry:
    return DistributionRegistry(double.host, **{"retry_delay_s": 0.01, **options})
