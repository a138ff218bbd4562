"""Layouts of strangers: whatever they say, what comes out is an image or an error of ours."""

from __future__ import annotations

import contextlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import Invalid, SlipwayError
from shared.packaging.base import base_of_layout
from shared.packaging.descriptor import CONFIG, MANIFEST, canonical_json
from shared.packaging.image import write_index
from shared.packaging.layout import put_blob
from tests.unit.packaging.test_image import image

KEYS = [
    "config", "layers", "rootfs", "diff_ids", "os", "architecture", "variant", "history", "Env", "Labels",
    "ExposedPorts", "mediaType", "digest", "size", "platform", "manifests", "annotations", "artifactType",
]  # fmt: skip


@pytest.mark.parametrize(
    "document",
    [
        {"config": {}, "layers": []},
        {"config": {"mediaType": CONFIG, "digest": "sha256:../../etc/passwd", "size": 1}, "layers": []},
        {"config": {"mediaType": CONFIG, "digest": f"sha256:{'0' * 64}", "size": -1}, "layers": []},
        [],
    ],
)
def test_a_damaged_manifest_is_refused(tmp_path: Path, document: Any) -> None:
    write_index(tmp_path, [put_blob(tmp_path, MANIFEST, canonical_json(document))])
    with pytest.raises(Invalid):
        base_of_layout(tmp_path)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "linux", "amd64", MANIFEST, f"sha256:{'0' * 64}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from(KEYS), anything), st.dictionaries(st.sampled_from(KEYS), anything), st.booleans()
)
def test_whatever_a_layout_says_the_answer_is_an_image_or_an_error_of_ours(
    manifest: dict[str, Any], config: dict[str, Any], nearly: bool
) -> None:
    with TemporaryDirectory() as name:
        layout = Path(name)
        if nearly:  # so that it gets as far as the config
            config |= {"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": []}}
            manifest |= {"config": put_blob(layout, CONFIG, canonical_json(config)).document(), "layers": []}
        write_index(layout, [put_blob(layout, MANIFEST, canonical_json(manifest))])
        with contextlib.suppress(SlipwayError):
            base = base_of_layout(layout)
            image(layout, base=base)
