"""What a monitor asks for and cannot be done is refused when it is applied, with what can; never by its first run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shared.bootstrap import ControlPlane
from tests.plane import make_plane
from tests.scenarios import monitored as m

COMPONENT: dict[str, Any] = {
    "$schema": f"{m.SCHEMAS}/commandComponent.schema.json",
    "type": "command",
    "name": "spread",
    "version": "1",
    "command": "python metrics.py ${{inputs.rows}} ${{inputs.limit}} ${{outputs.signal_metrics}}",
    "inputs": {"rows": {"type": "uri_folder"}, "limit": {"type": "number", "default": 2}},
    "outputs": {"signal_metrics": {"type": "mltable"}},
    "environment": "azureml:serve:1",
}
ENVIRONMENT = {"name": "serve", "version": "1", "pip": ["alpha"]}
CUSTOM: dict[str, Any] = {
    "type": "custom",
    "component_id": "azureml:spread:1",
    "input_data": {"rows": {"data_context": "model_inputs"}},
    "metric_thresholds": [{"metric_name": "spread", "threshold": 2}],
}


@pytest.fixture
def plane(tmp_path: Path) -> ControlPlane:
    return make_plane(tmp_path / "data")


async def told(plane: ControlPlane, signal: dict[str, Any], task: str = "classification", **files: Any) -> str:
    """Why the monitor with this signal was refused, with its places."""
    outcome = (await m.apply(plane, monitor_yml=m.monitor(task, s=signal), **files))["monitor.yml"]
    assert outcome.result == "refused", outcome
    return str(outcome.faults)


@pytest.mark.parametrize(
    ("signal", "words"),
    [
        (
            {"type": "generation_safety_quality"},
            ("generation_safety_quality are not run", "custom, infrastructure", "monitoring_signals/s"),
        ),
        (
            {"type": "data_drift", "features": {"top_n_feature_importance": 3}},
            ("no training data say how much each matters", "data_column_names.target_column"),
        ),
        (
            {"type": "data_drift", "data_segment": {"feature_name": "site"}},
            ("says not which rows count", "feature_values"),
        ),
        (
            {"type": "data_drift", "metric_thresholds": {"threshold": 0.1, "data_type": "numerical"}},
            ("one threshold for all metrics", "numerical and categorical"),
        ),
        (
            {"type": "data_drift", "production_data": {"pre_processing_component": "azureml:clean:1"}},
            ("pre_processing_component is not run", "data that are ready"),
        ),
        (
            {"type": "data_drift", "production_data": {"data_column_names": {"shape": "x"}}},
            ("has no meaning 'shape'", "correlation_id"),
        ),
        (
            {
                "type": "data_drift",
                "reference_data": {"input_data": {"path": "azureml://datastores/store/paths/base.csv"}},
            },
            ("cannot be read here", "azureml:NAME:VERSION"),
        ),
        (
            {"type": "model_performance", "reference_data": {"data_column_names": {"target": "y"}}},
            ("nothing says where the labels are", "reference_data.input_data"),
        ),
        (
            {"type": "model_performance", "production_data": {"data_column_names": {"prediction": "x"}}},
            ("nothing says which columns are compared", "data_column_names.target"),
        ),
        (
            {"type": "feature_attribution_drift", "reference_data": {}},
            ("nothing says which data the model learnt from", "reference_data.input_data"),
        ),
        (
            {"type": "infrastructure", "alert_enabled": True},
            ("it alerts, and has no threshold", "metric_thresholds"),
        ),
        (
            {"type": "infrastructure", "metric_thresholds": {"error_rate": 5}},
            ("error_rate", "less than or equal to 1"),
        ),
    ],
)
async def test_what_is_not_done_is_refused_with_what_is(
    plane: ControlPlane, signal: dict[str, Any], words: tuple[str, ...]
) -> None:
    text = await told(plane, signal)
    assert [word for word in words if word not in text] == [], text


async def test_thresholds_of_another_task_are_refused(plane: ControlPlane) -> None:
    signal = {
        "type": "model_performance",
        "production_data": m.reference("base:1", prediction="a", target="b"),
        "metric_thresholds": {"regression": {"mae": 1}},
    }
    files = {"base_yml": m.data("base", "base.csv"), "base_csv": "a,b\n1,2\n"}
    assert "the task is classification" in await told(plane, signal, **files)
    assert (await m.apply(plane, monitor_yml=m.monitor("regression", s=signal), **files))[
        "monitor.yml"
    ].result == "created"


async def test_data_that_hold_no_rows_or_other_columns_are_refused(plane: ControlPlane) -> None:
    files = {"base_yml": m.data("base", "base.bin"), "base_bin": "1"}
    text = await told(plane, {"type": "data_drift", "reference_data": m.reference("base:1")}, **files)
    assert "the rows of base:1 cannot be read: none of its files holds rows" in text
    files = {"broken_yml": m.data("broken", "broken.csv"), "broken_csv": "a,a\n1,2\n"}
    await m.applied(plane, **files)
    await m.profile(plane, "broken")
    text = await told(plane, {"type": "data_drift", "reference_data": m.reference("broken:1")}, **files)
    assert "two columns named" in text
    files = {"good_yml": m.data("good", "good.csv"), "good_csv": "a,b\n1,2\n3,4\n"}
    await m.applied(plane, **files)
    await m.profile(plane, "good")
    drift: dict[str, Any] = {"type": "data_drift", "reference_data": m.reference("good:1"), "features": ["a", "z"]}
    assert "good:1 has no column 'z'" in await told(plane, drift, **files)
    most = {"features": {"top_n_feature_importance": 1}, "reference_data": m.reference("good:1", target_column="y")}
    assert "good:1 has no column 'y'" in await told(plane, {**drift, **most}, **files)
    windowed = {"reference_data": {**m.reference("good:1"), "data_window": {"lookback_window_size": "P7D"}}}
    assert "data_column_names.timestamp" in await told(plane, {"type": "data_drift", **windowed}, **files)
    performance = {
        "type": "model_performance",
        "production_data": {"data_column_names": {"prediction": "x"}},
        "reference_data": m.reference("good:1", target="b"),
    }
    assert "good:1 has no column 'correlationid'" in await told(plane, performance, **files)


@pytest.mark.parametrize(
    ("component", "signal", "words"),
    [
        ({"outputs": {"model": {"type": "uri_folder"}}}, {}, "declare one output: signal_metrics"),
        (
            {"inputs": {"rows": {"type": "uri_folder"}, "limit": {"type": "number"}}},
            {},
            "takes limit, which is not given",
        ),
        ({}, {"inputs": {"other": 1}}, "has no input other"),
        ({"environment": {"image": "python:3.11"}}, {}, "names no environment of this control plane"),
        ({"code": "git+https://example.com/code"}, {}, "is elsewhere"),
        ({}, {"connection": {"secret_config": {"key": "vault"}}}, "secrets are not given"),
        ({}, {"input_data": {"rows": {"data_context": "test"}}}, "rows is test, which is not collected"),
    ],
)
async def test_a_component_that_cannot_be_run_is_refused(
    plane: ControlPlane, component: dict[str, Any], signal: dict[str, Any], words: str
) -> None:
    text = await told(
        plane,
        {**CUSTOM, **signal},
        component_yml={**COMPONENT, **component},
        environment_yml=ENVIRONMENT,
        metrics_py="",
    )
    assert words in text, text
