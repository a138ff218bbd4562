"""What is collected while scoring, in Azure ML's layout; and that nothing is lost in silence."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.scoring_server import MODEL, ROW, ScoringServer, serving, wait_for
from tests.unit.scoring.onnx_models import COLUMNS, classes, mixed, sums

PATH = re.compile(r"diabetes/blue/(model_inputs|model_outputs)/\d{4}/\d\d/\d\d/\d\d/[\w.-]+\.jsonl")
WHO = {"SLIPWAY_SCORING_ENDPOINT": "diabetes", "SLIPWAY_SCORING_DEPLOYMENT": "blue"}


def lines_in(folder: Path, collection: str) -> list[dict[str, Any]]:
    files = sorted(folder.glob(f"*/*/{collection}/**/*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def settled(server: ScoringServer) -> None:
    wait_for(lambda: server.metric("slipway_scoring_collect_waiting_bytes") == 0, "the buffer does not empty")


def test_lines_have_azures_fields_and_place(tmp_path: Path) -> None:
    folder = tmp_path / "collected"
    environ = {"SLIPWAY_SCORING_COLLECT_DIR": str(folder), "SLIPWAY_SCORING_MODEL_VERSION": "7", **WHO}
    with serving(tmp_path / "server", "--model", str(MODEL), **environ) as server:
        answers = server.client.post("/score", json={"data": [ROW, ROW]}, headers={"x-request-id": 'one"'}).json()
        server.client.post("/v2/models/diabetes/infer", json={"inputs": []})
        assert server.terminate() == 0
    paths = [str(path.relative_to(folder)) for path in folder.rglob("*.jsonl")]
    assert len(paths) == 2
    assert all(PATH.fullmatch(path) for path in paths), paths
    (taken,), (given,) = lines_in(folder, "model_inputs"), lines_in(folder, "model_outputs")
    assert taken["data"][0] == pytest.approx({f"measurements_{index}": value for index, value in enumerate(ROW)})
    assert given["data"] == [{"progression": value} for value in answers]
    for line, collection in ((taken, "model_inputs"), (given, "model_outputs")):
        size = len(json.dumps(line["data"], separators=(",", ":")).encode())
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", line["id"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
        assert {name: line[name] for name in line if name not in ("id", "time", "data")} == {
            "specversion": "1.0",
            "source": "/onlineEndpoints/diabetes/deployments/blue",
            "type": f"azureml.inference.{collection}",
            "datacontenttype": "application/json",
            "correlationid": 'one"',
            "xrequestid": 'one"',
            "modelversion": "7",
            "collectdatatype": "pandas.core.frame.DataFrame",
            "agent": "slipway-scoring/1",
            "contentrange": f"bytes 0-{size - 1}/{size}",
        }


@pytest.mark.parametrize("name", ["named", "mixed", "classes"])
def test_rows_have_the_names_and_types_of_the_model(tmp_path: Path, name: str) -> None:
    row = {"age": 1.5, "visits": 2, "city": "a,],[%s", "member": True}
    made = {
        "named": (sums(tmp_path, columns=COLUMNS), [[1.5, 2, 3]], {"age": 1.5, "income": 2, "score": 3}, {"y": 6.5}),
        "mixed": (mixed(tmp_path), [row], row, {f"{key}_out": value for key, value in row.items()}),
        "classes": (
            classes(tmp_path),
            [[0.25, 0.75]],
            {"x_0": 0.25, "x_1": 0.75},
            {"label": 1, "probabilities": {"0": 0.25, "1": 0.75}},
        ),
    }
    model, body, taken, given = made[name]
    folder = tmp_path / "collected"
    with serving(tmp_path / "server", "--model", str(model.path), SLIPWAY_SCORING_COLLECT_DIR=str(folder)) as server:
        for _ in range(3):
            assert server.client.post("/score", json=body).status_code == 200
        assert server.terminate() == 0
    assert [line["data"] for line in lines_in(folder, "model_inputs")] == [[taken]] * 3
    assert [line["data"] for line in lines_in(folder, "model_outputs")] == [[given]] * 3


def test_a_sample_is_collected_and_the_rest_is_counted(tmp_path: Path) -> None:
    folder = tmp_path / "collected"
    environ = {"SLIPWAY_SCORING_COLLECT_DIR": str(folder), "SLIPWAY_SCORING_COLLECT_PERCENT": "25"}
    with serving(tmp_path / "server", "--model", str(MODEL), **environ) as server:
        for _ in range(400):
            server.client.post("/score", json=[ROW])
        wait_for(
            lambda: (
                server.metric("slipway_scoring_collected_total")
                + server.metric("slipway_scoring_collect_sampled_out_total")
                == 400
            ),
            "not all are accounted for",
        )
        collected = server.metric("slipway_scoring_collected_total")
    assert 50 < collected < 150  # 100 expected; this far off happens once in 10^8
    inputs, outputs = lines_in(folder, "model_inputs"), lines_in(folder, "model_outputs")
    assert len(inputs) == len(outputs) == collected
    assert [line["correlationid"] for line in inputs] == [line["correlationid"] for line in outputs]


def test_a_sink_that_fails_is_counted_and_logged_while_scoring_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    environ = {"SLIPWAY_SCORING_COLLECT_DIR": str(tmp_path / "file" / "folder")}
    with serving(tmp_path / "server", "--model", str(MODEL), **environ) as server:
        for _ in range(5):
            assert server.client.post("/score", json=[ROW]).status_code == 200
        wait_for(lambda: server.metric("slipway_scoring_collect_failed_total") == 5, "failures are not counted")
        assert server.metric("slipway_scoring_collected_total") == 0
        assert any("could not be written" in each["message"] for each in server.records())


def child_of(server: ScoringServer) -> int:
    path = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    tasks = Path(f"/proc/{server.process.pid}/task").iterdir()
    found = path.read_text().split() or [pid for task in tasks for pid in (task / "children").read_text().split()]
    return int(found[0])


def test_a_full_buffer_drops_counts_and_logs(tmp_path: Path) -> None:
    """The writer is stopped, as a disk that hangs would stop it."""
    folder = tmp_path / "collected"
    environ = {"SLIPWAY_SCORING_COLLECT_DIR": str(folder), "SLIPWAY_SCORING_COLLECT_BUFFER_BYTES": "200000"}
    with serving(tmp_path / "server", "--model", str(MODEL), **environ) as server:
        server.client.post("/score", json=[ROW])
        wait_for(lambda: server.metric("slipway_scoring_collected_total") == 1, "nothing is collected")
        os.kill(child_of(server), signal.SIGSTOP)
        for _ in range(100):
            assert server.client.post("/score", json=[ROW] * 100).status_code == 200
        wait_for(lambda: server.metric("slipway_scoring_collect_dropped_total") > 0, "nothing is dropped")
        assert server.metric("slipway_scoring_collect_waiting_bytes") <= 200_000
        assert any("buffer of 200000 bytes is full" in each["message"] for each in server.records())
        os.kill(child_of(server), signal.SIGCONT)
        settled(server)
        dropped = server.metric("slipway_scoring_collect_dropped_total")
        assert server.terminate() == 0
    assert len(lines_in(folder, "model_inputs")) == 101 - dropped


def test_a_writer_that_dies_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "collected"
    with serving(tmp_path / "server", "--model", str(MODEL), SLIPWAY_SCORING_COLLECT_DIR=str(folder)) as server:
        server.client.post("/score", json=[ROW])
        wait_for(lambda: server.metric("slipway_scoring_collected_total") == 1, "nothing is collected")
        os.kill(child_of(server), signal.SIGKILL)
        sent = 1
        while server.metric("slipway_scoring_collected_total") == 1:
            assert server.client.post("/score", json=[ROW]).status_code == 200
            sent += 1
            assert sent < 200, "no further process is started"
            time.sleep(0.05)
        settled(server)
        wait_for(
            lambda: (
                server.metric("slipway_scoring_collected_total") + server.metric("slipway_scoring_collect_failed_total")
                == sent
            ),
            "not all are accounted for",
        )
        written = server.metric("slipway_scoring_collected_total")
        assert written > 1
    assert len(lines_in(folder, "model_outputs")) == written
