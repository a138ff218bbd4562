"""What a deployment's `data_collector` becomes for the scoring server."""

from __future__ import annotations

import os
from typing import Any

import pytest

from shared.deployments.collecting import collecting_environ
from shared.errors import Invalid
from shared.scoring.collector.destination import BlobPlace
from shared.scoring.collector.plan import plan_of
from shared.scoring.settings import from_environment

ACCOUNT = {"AZURE_STORAGE_ACCOUNT": "acc"}


def said(**collector: Any) -> dict[str, Any]:
    return {"endpoint_name": "live", "data_collector": collector}


def collection(enabled: str = "true", path: str = "") -> dict[str, Any]:
    return {"enabled": enabled, **({"data": {"name": "d", "path": path}} if path else {})}


@pytest.mark.parametrize(
    "declared", [{}, {"data_collector": None}, said(collections={}), said(collections={"a": collection("False")})]
)
def test_nothing_is_collected_unless_it_is_enabled(declared: dict[str, Any]) -> None:
    assert collecting_environ(declared, "blue", "3") == {}


def test_the_server_understands_all_of_it() -> None:
    declared = said(
        collections={
            "model_inputs": collection(path="az://data/monitoring"),
            "Quality": collection("True", path="az://data/monitoring/"),
            "response": collection("false"),
        },
        sampling_rate=0.25,
        rolling_rate="Day",
        request_logging={"capture_headers": ["X-Caller"]},
    )
    plan = plan_of(from_environment(collecting_environ(declared, "blue", "3")), os.environ | ACCOUNT)
    assert plan is not None
    assert plan.destination == BlobPlace("https://acc.blob.core.windows.net/data/monitoring")
    assert plan.collections == {"model_inputs", "quality"}
    assert (plan.share, plan.roll, plan.headers) == (0.25, "day", ("x-caller",))
    assert (plan.endpoint, plan.deployment, plan.version) == ("live", "blue", "3")


def test_a_datastores_path_leaves_the_place_to_the_target() -> None:
    path = "azureml://datastores/workspaceblobstore/paths/modelDataCollector"
    environ = collecting_environ(said(collections={"request": collection(path=path)}), "blue", "")
    assert "SLIPWAY_SCORING_COLLECT_URL" not in environ
    assert environ["SLIPWAY_SCORING_MODEL_VERSION"] == "1"


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (("az://a", "az://b"), "different places: az://a, az://b"),
        (("https://acc.blob.core.windows.net/a?sig=secret",) * 2, "a SAS does not belong in a declaration"),
    ],
)
def test_places_that_can_not_be_used_are_refused_without_their_secrets(paths: tuple[str, str], message: str) -> None:
    collections = {f"c{index}": collection(path=path) for index, path in enumerate(paths)}
    with pytest.raises(Invalid, match=message) as caught:
        collecting_environ(said(collections=collections), "blue", "")
    assert "secret" not in f"{caught.value}{caught.value.remedy}"
