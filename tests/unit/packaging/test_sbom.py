"""Locks are read whole or refused, and the bill of materials made of them is valid and the same each time."""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path

import pytest

from shared.errors import Invalid
from shared.packaging.base import base_of_layout
from shared.packaging.descriptor import EMPTY, MANIFEST
from shared.packaging.image import ImageConfig, assemble, write_index
from shared.packaging.layer import Entry, write_layer
from shared.packaging.layout import blob_path, read_document, read_index, ref_name
from shared.packaging.lock import Package, package_of, packages_of_lock
from shared.packaging.referrers import referrers_tag
from shared.packaging.sbom import CYCLONEDX, Model, attach_sbom, sbom

ROOT = Path(__file__).parents[3]
A, B, C = "a" * 64, "b" * 64, "c" * 64
LOCK = f"""\
# made by uv
numpy==2.4.6 ; python_full_version >= '3.11' \\
    --hash=sha256:{B} \\
    --hash=sha256:{A}
    # via onnxruntime
Ruamel_YAML[jinja2]==0.18.6+local.1 --hash=sha256:{C}
"""
MODELS = [Model("diabetes", "3", {"model.onnx": A, "MLmodel": B})]


def test_a_lock_is_read() -> None:
    assert packages_of_lock(LOCK) == [
        Package("numpy", "2.4.6", (A, B), "pkg:pypi/numpy@2.4.6"),
        Package("ruamel-yaml", "0.18.6+local.1", (C,), "pkg:pypi/ruamel-yaml@0.18.6%2Blocal.1"),
    ]
    assert packages_of_lock("\n# nothing\n") == []


def test_a_lock_that_uv_wrote_is_read_whole() -> None:
    text = (ROOT / "requirements-dev.txt").read_text()
    packages = packages_of_lock(text)
    assert len(packages) == len(re.findall("^[^ #]+==", text, re.MULTILINE))
    assert sum(len(package.sha256s) for package in packages) == text.count("--hash=sha256:")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("numpy", "'numpy' does not pin"),
        ("numpy>=2", "'numpy>=2' does not pin"),
        ("numpy==2.*", "does not pin"),
        ("numpy==2.4.6", "numpy==2.4.6 has no hash"),
        (f"numpy==2.4.6 --hash=sha256:{A[:-1]}g", "numpy==2.4.6 has a hash that is no SHA-256"),
        (f"numpy==2.4.6 --hash=md5:{A[:32]}", "no SHA-256"),
        ("numpy @ https://user:secret@host.example/numpy.whl", "'numpy' does not pin"),
        ("-e .", "'-e' does not belong"),
        ("--trusted-host host.example", "'--trusted-host' does not belong"),
        ("--extra-index-url https://user:secret@host.example/simple", "'--extra-index-url' does not belong"),
        ("--index-url=https://secret@host.example/simple", "'--index-url' does not belong"),
    ],
)
def test_what_pins_nothing_is_refused_with_its_line(line: str, says: str) -> None:
    with pytest.raises(Invalid) as refused:
        packages_of_lock(LOCK + line + "\n")
    assert len(refused.value.faults) == 1
    assert "requirements.lock:7: " in str(refused.value)
    assert says in str(refused.value)
    assert "secret" not in str(refused.value)


def test_the_bill_is_the_same_each_time_and_another_for_other_content() -> None:
    packages = packages_of_lock(LOCK)
    first = sbom("models/diabetes", "3", packages, MODELS)
    assert sbom("models/diabetes", "3", reversed(packages), MODELS) == first
    document = json.loads(first)
    other = json.loads(sbom("models/diabetes", "3", packages[:1], MODELS))
    assert document["serialNumber"] != other["serialNumber"]
    assert uuid.UUID(document["serialNumber"].removeprefix("urn:uuid:")).version == 5
    assert [(each["type"], each["name"], each["version"]) for each in document["components"]] == [
        ("library", "numpy", "2.4.6"),
        ("library", "ruamel-yaml", "0.18.6+local.1"),
        ("machine-learning-model", "diabetes", "3"),
    ]
    assert document["components"][0]["hashes"] == [{"alg": "SHA-256", "content": A}, {"alg": "SHA-256", "content": B}]
    assert [each["name"] for each in document["components"][2]["components"]] == ["MLmodel", "model.onnx"]


@pytest.mark.parametrize("packages", [packages_of_lock(LOCK), [], [package_of("x", "1")]])
def test_the_bill_keeps_the_schema_of_cyclonedx(packages: list[Package]) -> None:
    validation = pytest.importorskip("cyclonedx.validation.json", reason="cyclonedx-python-lib is not installed")
    from cyclonedx.schema import SchemaVersion

    text = sbom("models/diabetes", "3", packages, MODELS).decode()
    validator = validation.JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(text) is None
    assert validator.validate_str(text.replace('"library"', '"book"').replace('"container"', '"book"')) is not None


def test_a_bill_is_attached_to_its_image(tmp_path: Path) -> None:
    image = assemble(tmp_path, [write_layer([Entry("a", b"")], tmp_path)], ImageConfig(), base=None)
    write_index(tmp_path, [image], "3")
    bill = sbom("models/diabetes", "3", packages_of_lock(LOCK), MODELS)
    artifact = attach_sbom(tmp_path, image, bill)
    assert attach_sbom(tmp_path, image, bill) == artifact
    second = attach_sbom(tmp_path, image, bill + b"\n")
    manifest = read_document(tmp_path, artifact.digest)
    assert manifest["artifactType"] == CYCLONEDX
    assert manifest["subject"] == {"mediaType": MANIFEST, "digest": image.digest, "size": image.size_bytes}
    assert manifest["config"]["mediaType"] == EMPTY
    assert blob_path(tmp_path, manifest["layers"][0]["digest"]).read_bytes() == bill
    tags = {ref_name(entry): entry["digest"] for entry in read_index(tmp_path)}
    listed = read_document(tmp_path, tags[referrers_tag(image.digest)])["manifests"]
    assert [entry["digest"] for entry in listed] == [artifact.digest, second.digest]
    assert base_of_layout(tmp_path).digest == image.digest  # the bill is no second image
