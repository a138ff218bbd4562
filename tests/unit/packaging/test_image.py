"""Images: the same digest each time, on a base or on none, for one platform or several."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shared.errors import ArtifactCorrupted, Invalid, NotFound, NotSupported
from shared.packaging.base import base_of_layout, base_of_root
from shared.packaging.descriptor import (
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_MANIFEST,
    INDEX,
    LAYER_TAR_GZIP,
    MANIFEST,
    Descriptor,
    canonical_json,
)
from shared.packaging.extract import unpack
from shared.packaging.image import ImageConfig, assemble, write_index
from shared.packaging.layer import Entry, write_layer
from shared.packaging.layout import blob_path, put_blob, read_document, read_index
from tests.unit.packaging.made import files_of, member, tar_of

CONFIGURED = ImageConfig(
    env={"B": "2", "A": "1=1"}, entrypoint=("/bin/serve",), cmd=("--port", "5001"), working_dir="/app",
    user="65532:65532", exposed_ports=(5001,), labels={"model": "diabetes:3"},
)  # fmt: skip


def image(layout: Path, content: bytes = b"1", **options: Any) -> Descriptor:
    layer = write_layer([Entry("app/model.bin", content)], layout)
    return assemble(layout, [layer], CONFIGURED, **{"base": None, **options})


def config_of(layout: Path, manifest: Descriptor) -> dict[str, Any]:
    return read_document(layout, read_document(layout, manifest.digest)["config"]["digest"])


def test_an_image_has_the_same_digest_in_two_layouts(tmp_path: Path) -> None:
    first, second = image(tmp_path / "one"), image(tmp_path / "two")
    assert first == second
    assert image(tmp_path / "one", b"2") != first
    assert first.media_type == MANIFEST
    assert first.platform == "linux/amd64"
    assert blob_path(tmp_path / "one", first.digest).stat().st_size == first.size_bytes


def test_config_and_manifest(tmp_path: Path) -> None:
    named = image(tmp_path, annotations={"org.opencontainers.image.title": "diabetes"}, platform="linux/arm/v7")
    manifest, config = read_document(tmp_path, named.digest), config_of(tmp_path, named)
    assert config["config"] == {
        "Env": ["A=1=1", "B=2"], "Entrypoint": ["/bin/serve"], "Cmd": ["--port", "5001"], "WorkingDir": "/app",
        "User": "65532:65532", "ExposedPorts": {"5001/tcp": {}}, "Labels": {"model": "diabetes:3"},
    }  # fmt: skip
    assert (config["os"], config["architecture"], config["variant"]) == ("linux", "arm", "v7")
    assert config["created"] == "1970-01-01T00:00:00Z"
    assert len(config["history"]) == len(config["rootfs"]["diff_ids"]) == len(manifest["layers"]) == 1
    assert manifest["annotations"] == {"org.opencontainers.image.title": "diabetes"}
    assert manifest["layers"][0]["mediaType"] == LAYER_TAR_GZIP
    assert blob_path(tmp_path, named.digest).read_bytes() == canonical_json(manifest)


def test_a_base_comes_first_and_is_overridden_where_we_say_so(tmp_path: Path) -> None:
    below = ImageConfig(env={"PATH": "/bin", "A": "0"}, entrypoint=("/bin/sh",), cmd=("-c", "true"), labels={"os": "x"})
    first, second = tmp_path / "base", tmp_path / "ours"
    base_layer = write_layer([Entry("etc/issue", b"base"), Entry("app/model.bin", b"old")], first)
    write_index(first, [assemble(first, [base_layer], below, base=None)], "1")
    base = base_of_layout(first, "1")
    plain = assemble(second, [], ImageConfig(user="1"), base=base)
    named = image(second, base=base)
    config = config_of(second, named)
    assert config["config"]["Env"] == ["A=1=1", "PATH=/bin", "B=2"]
    assert config["config"]["Entrypoint"] == ["/bin/serve"]
    assert config["config"]["Labels"] == {"os": "x", "model": "diabetes:3"}
    assert config_of(second, plain)["config"]["Cmd"] == ["-c", "true"]
    unpack(second, named.digest, tmp_path / "out")
    assert files_of(tmp_path / "out") == {"etc/issue": b"base", "app/model.bin": b"1"}
    entry_point_only = assemble(second, [], ImageConfig(entrypoint=("/x",)), base=base)
    assert "Cmd" not in config_of(second, entry_point_only)["config"]


def test_a_damaged_base_is_refused(tmp_path: Path) -> None:
    write_index(tmp_path / "base", [image(tmp_path / "base")])
    base = base_of_layout(tmp_path / "base")
    blob = blob_path(tmp_path / "base", base.layers[0].digest)
    blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    with pytest.raises(ArtifactCorrupted):
        image(tmp_path / "ours", base=base)
    blob.unlink()
    with pytest.raises(NotFound, match="has no blob"):
        image(tmp_path / "ours", base=base)


def test_a_base_of_docker_types_becomes_oci(tmp_path: Path) -> None:
    layer = write_layer([Entry("a", b"")], tmp_path)
    config = {"os": "linux", "architecture": "arm64", "variant": "v8", "rootfs": {"diff_ids": [layer.diff_id]}}
    written = put_blob(tmp_path, DOCKER_CONFIG, canonical_json(config))
    for kind in (DOCKER_LAYER, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"):
        below = Descriptor(kind, layer.digest, layer.size_bytes).document()
        manifest = {"schemaVersion": 2, "config": written.document(), "layers": [below]}
        write_index(tmp_path, [put_blob(tmp_path, DOCKER_MANIFEST, canonical_json(manifest))], "1")
        if kind != DOCKER_LAYER:
            with pytest.raises(NotSupported, match="foreign"):
                base_of_layout(tmp_path, "1", "linux/arm64")
            continue
        named = image(tmp_path, base=base_of_layout(tmp_path, "1", "linux/arm64"), platform="linux/arm64")
        assert {each["mediaType"] for each in read_document(tmp_path, named.digest)["layers"]} == {LAYER_TAR_GZIP}
        assert len(config_of(tmp_path, named)["history"]) == 2


def test_several_platforms_make_an_index_and_each_is_found(tmp_path: Path) -> None:
    manifests = [image(tmp_path, platform.encode(), platform=platform) for platform in ("linux/arm64", "linux/amd64")]
    named = write_index(tmp_path, manifests, "1.0")
    assert named == write_index(tmp_path, manifests[::-1], "1.0")
    assert named.media_type == INDEX
    for manifest in manifests:
        assert base_of_layout(tmp_path, "1.0", manifest.platform or "").digest == manifest.digest
    with pytest.raises(NotFound, match="it has linux/amd64, linux/arm64"):
        base_of_layout(tmp_path, "1.0", "linux/s390x")
    with pytest.raises(Invalid, match="one manifest for each platform"):
        write_index(tmp_path, [manifests[0], manifests[0]], "twice")


def test_tags_of_a_layout(tmp_path: Path) -> None:
    one, two = image(tmp_path, b"1"), image(tmp_path, b"2")
    assert write_index(tmp_path, [one], "a") == one
    write_index(tmp_path, [two], "b")
    write_index(tmp_path, [two], "a")
    assert json.loads((tmp_path / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    assert [entry["digest"] for entry in read_index(tmp_path)] == [two.digest, two.digest]
    assert base_of_layout(tmp_path).digest == two.digest
    write_index(tmp_path, [one], "c")
    with pytest.raises(Invalid, match="several images"):
        base_of_layout(tmp_path)
    with pytest.raises(NotFound, match="it has a, b, c"):
        base_of_layout(tmp_path, "d")
    with pytest.raises(NotFound, match="it has none"):
        base_of_layout(tmp_path / "missing")
    with pytest.raises(Invalid, match="is not a tag"):
        write_index(tmp_path, [one], "-a")


def test_a_root_file_system_becomes_a_base(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "usr" / "bin").mkdir(parents=True)
    (root / "usr" / "bin" / "python3").write_bytes(b"elf")
    (root / "usr" / "bin" / "python3").chmod(0o755)
    (root / "bin").symlink_to("/usr/bin")
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    base = base_of_root(root, tmp_path / "layout")
    assert base_of_root(root, tmp_path / "again").layers == base.layers
    unpack(tmp_path / "layout", image(tmp_path / "layout", base=base).digest, tmp_path / "out")
    assert (tmp_path / "out" / "bin").readlink() == Path("/usr/bin")
    assert (tmp_path / "out" / "tmp").stat().st_mode & 0o7777 == 0o1777
    assert (tmp_path / "out" / "usr" / "bin" / "python3").stat().st_mode & 0o777 == 0o755


def test_a_tar_archive_becomes_a_base_byte_for_byte(tmp_path: Path) -> None:
    import gzip
    import hashlib

    plain = tar_of(member("./etc/issue", b"Debian"))
    (tmp_path / "root.tar").write_bytes(plain)
    (tmp_path / "root.tar.gz").write_bytes(gzip.compress(plain))
    for name in ("root.tar", "root.tar.gz"):
        base = base_of_root(tmp_path / name, tmp_path / "layout", platform="linux/arm64")
        assert base.layers[0].diff_id == f"sha256:{hashlib.sha256(plain).hexdigest()}"
    with pytest.raises(Invalid, match="for linux/arm64, not for linux/amd64"):
        image(tmp_path / "layout", base=base)
    (tmp_path / "cut.tar.gz").write_bytes(gzip.compress(plain)[:-12])
    with pytest.raises(Invalid, match="damaged"):
        base_of_root(tmp_path / "cut.tar.gz", tmp_path / "layout")
    with pytest.raises(Invalid, match="is no tar archive"):
        base_of_root(Path(__file__), tmp_path / "layout")
    with pytest.raises(NotFound, match="no root file system"):
        base_of_root(tmp_path / "missing.tar", tmp_path / "layout")


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (ImageConfig(env={"A=B": "1"}), "'A=B'"),
        (ImageConfig(env={"A": "\0"}), "'A'"),
        (ImageConfig(exposed_ports=(0,)), "0 is not a port"),
        (ImageConfig(working_dir="app"), "'app' is not absolute"),
    ],
)
def test_what_no_container_can_have_is_refused(tmp_path: Path, config: ImageConfig, says: str) -> None:
    layer = write_layer([], tmp_path)
    with pytest.raises(Invalid, match=says):
        assemble(tmp_path, [layer], config, base=None)


def test_an_image_of_nothing_and_a_platform_of_nowhere_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="needs a layer"):
        assemble(tmp_path, [], ImageConfig(), base=None)
    with pytest.raises(Invalid, match="is not a platform"):
        image(tmp_path, platform="amd64")
