"""Models that several tests share."""

from __future__ import annotations

import pytest

from shared.scoring.models.onnx_model import OnnxModel
from tests.unit.scoring.onnx_models import COLUMNS, image, mixed, sums


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    return sums(tmp_path_factory.mktemp("model"), columns=COLUMNS)


@pytest.fixture(scope="module")
def nameless(tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    return sums(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def columns(tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    return mixed(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def pixels(tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    return image(tmp_path_factory.mktemp("model"))
