"""Software bills of materials: CycloneDX 1.6 (ECMA-424) in JSON, the same bytes for the same content."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.packaging.descriptor import Descriptor, canonical_json
from shared.packaging.lock import Package, packages_of_lock
from shared.packaging.referrers import attach

__all__ = ["CYCLONEDX", "Model", "Package", "attach_sbom", "packages_of_lock", "sbom"]

CYCLONEDX = "application/vnd.cyclonedx+json"  # IANA media types
SPEC_VERSION = "1.6"


@dataclass(frozen=True, slots=True)
class Model:
    """A model that is in the image."""

    name: str
    version: str
    sha256s: Mapping[str, str]  # path of each of its files to its SHA-256 in hex


def sbom(name: str, version: str, packages: Iterable[Package], models: Iterable[Model] = ()) -> bytes:
    """The bill of an image called `name`: its packages and models, sorted. It has no time, and its serial number is a
    UUID of its content (RFC 9562, section 5.5), so that it is the same whenever it is made. Of a package with several
    files each hash that the lock allows is given."""
    components = [_package(each) for each in sorted(set(packages), key=lambda each: (each.name, each.version))]
    components += [_model(each) for each in sorted(models, key=lambda each: (each.name, each.version))]
    document: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "version": 1,
        "metadata": {"component": {"type": "container", "bom-ref": "image", "name": name, "version": version}},
        "components": components,
        "dependencies": [{"ref": "image", "dependsOn": [component["bom-ref"] for component in components]}],
    }
    content = hashlib.sha256(canonical_json(document)).hexdigest()
    document["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, content)}"
    return canonical_json(document)


def attach_sbom(layout: Path, image: Descriptor, content: bytes) -> Descriptor:
    """Attach a bill to an image of the layout, of one platform; what names the artifact, for a push. See `attach`."""
    return attach(layout, image, content, CYCLONEDX)


def _package(package: Package) -> dict[str, Any]:
    component = {
        "type": "library",
        "bom-ref": package.purl,
        "name": package.name,
        "version": package.version,
        "purl": package.purl,
    }
    hashes = [_sha256(each) for each in package.sha256s]
    return {**component, "hashes": hashes} if hashes else component


def _model(model: Model) -> dict[str, Any]:
    reference = f"model/{model.name}/{model.version}"
    files = [
        {"type": "file", "bom-ref": f"{reference}/{path}", "name": path, "hashes": [_sha256(sha256)]}
        for path, sha256 in sorted(model.sha256s.items())
    ]
    return {
        "type": "machine-learning-model",
        "bom-ref": reference,
        "name": model.name,
        "version": model.version,
        "components": files,
    }


def _sha256(content: str) -> dict[str, str]:
    return {"alg": "SHA-256", "content": content}
