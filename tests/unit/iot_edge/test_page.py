"""What the page about devices shows is accepted as it stands."""

from __future__ import annotations

import yaml

from shared.compute_settings import load_computes
from shared.resources.iot_edge_compute import IotEdgeCompute
from shared.resources.rollout import RolloutSpec
from tests.docs.markdown import ROOT, read_page

FILES = {block.file: block.text for block in read_page(ROOT / "docs" / "iot-edge.md").blocks if block.file}


def test_the_compute_of_the_page_is_one() -> None:
    found = load_computes(str(yaml.safe_load(FILES["computes.yml"])))["edge"]
    assert isinstance(found, IotEdgeCompute)
    assert found.runtime is not None


def test_the_rollout_of_the_page_is_one() -> None:
    document = yaml.safe_load(FILES["rollout.yml"])
    assert RolloutSpec.model_validate({key: value for key, value in document.items() if key != "name"})
