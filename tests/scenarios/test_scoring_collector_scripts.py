"""What entry scripts collect by `azureml.ai.monitoring`, the package itself or what stands in for it; and the bodies
that are collected without a line of code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.local_host import ROOT
from tests.scenarios.scoring_server import MODEL, ROW, ScoringServer, serving, serving_script
from tests.scenarios.test_scoring_collector import lines_in, wait_for

COLLECTED = "slipway_scoring_collected_total"
# The example of azureml-ai-monitoring's own page, with its preprocessing and prediction in place.
SCRIPT = """
import json
import pandas as pd
from azureml.ai.monitoring import Collector

def init():
    global inputs_collector, outputs_collector
    inputs_collector = Collector(name='model_inputs')
    outputs_collector = Collector(name='model_outputs')

def run(data):
    input_df = pd.DataFrame(json.loads(data)["data"])
    context = inputs_collector.collect(input_df)
    output_df = pd.DataFrame({"sum": input_df.sum(axis=1)})
    outputs_collector.collect(output_df, context)
    return output_df.to_dict()
"""
FRAME = '''
import sys, types
class DataFrame:
    """As much of pandas' as a collector needs: pandas itself is not installed beside Slipway."""
    def __init__(self, rows):
        self.rows = rows
    def to_json(self, orient):
        assert orient == "records"
        import json
        return json.dumps(self.rows)
sys.modules["pandas"] = types.ModuleType("pandas")
sys.modules["pandas"].DataFrame = DataFrame
'''
ONE = (
    FRAME
    + """
import json
from azureml.ai.monitoring import Collector
from azureml.ai.monitoring.context import BasicCorrelationContext
errors = []
def init():
    global taken, other, silent
    taken = Collector(name="model_inputs")
    other = Collector(name="Quality")
    silent = Collector(name="unknown", on_error=lambda error: errors.append(str(error)))
def run(data):
    given = json.loads(data)
    context = taken.collect(DataFrame(given))
    other.collect(DataFrame([{"mean": 1}]), context)
    other.collect(DataFrame([{"mean": 2}]), BasicCorrelationContext(id="own", timestamp=3600, headers={"Team": "a"}))
    silent.collect(DataFrame(given))
    try:
        taken.collect({"no": "frame"})
    except TypeError as error:
        errors.append(str(error))
    return errors, context.get_id()
"""
)


def collecting(folder: Path, *names: str) -> dict[str, str]:
    return {"SLIPWAY_SCORING_COLLECT_DIR": str(folder), "SLIPWAY_SCORING_COLLECTIONS": ",".join(names)}


def test_a_script_collects_under_its_requests_id(tmp_path: Path) -> None:
    folder = tmp_path / "collected"
    with serving_script(tmp_path / "s", ONE, **collecting(folder, "model_inputs", "quality")) as server:
        answer = server.client.post("/score", json=[{"a": 1}, {"a": 2}], headers={"x-request-id": "r-1"}).json()
        wait_for(lambda: server.metric(COLLECTED) == 3, "not all is collected")
    errors, identity = answer
    assert identity == "r-1"
    assert errors == [
        "collection unknown is not enabled, drop the data; enabled are: model_inputs, quality",  # in init()
        "collection unknown is not enabled, drop the data; enabled are: model_inputs, quality",
        "data type (dict) not supported, supported types: pandas.DataFrame",
    ]
    (taken,) = lines_in(folder, "model_inputs")
    first, second = sorted(lines_in(folder, "quality"), key=lambda line: str(line["data"]))
    assert (taken["data"], taken["correlationid"], taken["xrequestid"]) == ([{"a": 1}, {"a": 2}], "r-1", "r-1")
    assert (first["data"], first["correlationid"]) == ([{"mean": 1}], "r-1")
    assert (second["correlationid"], second["xrequestid"], second["Team"]) == ("own", "r-1", "a")
    assert second["time"] == "1970-01-01T01:00:00.000Z"
    assert taken["collectdatatype"] == "pandas.core.frame.DataFrame"


def test_a_script_that_collects_where_nothing_is_collected_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "score.py").write_text(ONE)
    server = ScoringServer(tmp_path, AML_APP_ROOT=str(tmp_path), AZUREML_ENTRY_SCRIPT="score.py")
    try:
        assert server.process.wait(60) == 3
        assert "custom logging is not enabled, drop the data" in server.log()
    finally:
        server.close()


def test_bodies_of_a_script_are_collected_when_the_settings_ask(tmp_path: Path) -> None:
    source = (
        "def init(): pass\ndef run(data):\n    if 'fail' in data: raise ValueError\n    return {'got': len(data)}\n"
    )
    folder = tmp_path / "collected"
    environ = collecting(folder, "request", "response") | {"SLIPWAY_SCORING_COLLECT_HEADERS": "X-Caller,x-missing"}
    with serving_script(tmp_path / "s", source, **environ) as server:
        asked = {"x-request-id": "r-1", "x-caller": "me", "authorization": "Bearer secret"}
        server.client.post("/score", json={"a": [1]}, headers=asked)
        server.client.post("/score", content=b"plain text", headers={"content-type": "text/plain"})
        server.client.post("/score", content=b"fail")
        server.client.get("/nothing")
        wait_for(lambda: server.metric(COLLECTED) == 6, "not all is collected")
    taken, given = lines_in(folder, "request"), lines_in(folder, "response")
    assert [line["data"] for line in taken] == [{"a": [1]}, "plain text", "fail"]
    assert [(line["statuscode"], line["data"]) for line in given][:2] == [(200, {"got": 9}), (200, {"got": 10})]
    assert given[2]["statuscode"] == 500
    assert (taken[0]["headers"], taken[0]["path"], taken[0]["method"]) == ({"x-caller": "me"}, "/score", "POST")
    assert (taken[0]["correlationid"], given[0]["correlationid"]) == ("r-1", "r-1")
    assert taken[1]["datacontenttype"] == "text/plain"
    assert "secret" not in json.dumps(taken)


def test_bodies_of_a_model_are_collected_beside_its_tensors_unpacked(tmp_path: Path) -> None:
    folder = tmp_path / "collected"
    environ = collecting(folder, "request", "response", "model_inputs")
    with serving(tmp_path / "s", "--model", str(MODEL), **environ) as server:
        answer = server.client.post("/score", json=[ROW] * 300, headers={"accept-encoding": "gzip"}).json()
        wait_for(lambda: server.metric(COLLECTED) == 3, "not all is collected")
    assert lines_in(folder, "response")[0]["data"] == answer
    assert lines_in(folder, "request")[0]["data"] == [ROW] * 300
    assert len(lines_in(folder, "model_inputs")[0]["data"]) == 300
    assert lines_in(folder, "model_outputs") == []


def test_what_belongs_together_is_sampled_together(tmp_path: Path) -> None:
    folder = tmp_path / "collected"
    environ = collecting(folder, "model_inputs", "quality") | {"SLIPWAY_SCORING_COLLECT_PERCENT": "50"}
    source = ONE.replace('other.collect(DataFrame([{"mean": 2}])', "(lambda *a: 0)(None")
    with serving_script(tmp_path / "s", source, **environ) as server:
        for _ in range(60):
            server.client.post("/score", json=[{"a": 1}])
        total = [COLLECTED, "slipway_scoring_collect_sampled_out_total"]
        wait_for(lambda: sum(map(server.metric, total)) == 120, "not all are accounted for")
    ids = [sorted(line["correlationid"] for line in lines_in(folder, name)) for name in ("model_inputs", "quality")]
    assert ids[0] == ids[1]
    assert 10 < len(ids[0]) < 50


@pytest.mark.slow
def test_azures_own_package_finds_the_server(tmp_path: Path) -> None:
    """azureml-ai-monitoring from PyPI, with pandas: it posts to the port that it finds in its environment."""
    venv = ROOT / "build" / "azureml-ai-monitoring"
    python = venv / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        packages = ["azureml-ai-monitoring", "httptools", "numpy", "onnxruntime", "orjson", "uvloop"]
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True)
    folder, app = tmp_path / "collected", tmp_path / "app"
    app.mkdir()
    (app / "score.py").write_text(SCRIPT)
    environ: dict[str, Any] = collecting(folder, "model_inputs", "model_outputs")
    environ |= {"AML_APP_ROOT": str(app), "AZUREML_ENTRY_SCRIPT": "score.py"}
    with serving(tmp_path / "s", python=str(python), **environ) as server:
        for _ in range(20):
            answer = server.client.post("/score", json={"data": {"a": [1, 2], "b": [3, 4]}})
            assert answer.json() == {"sum": {"0": 4, "1": 6}}
        assert server.terminate() == 0  # what the package has not sent yet is waited for
    taken, given = lines_in(folder, "model_inputs"), lines_in(folder, "model_outputs")
    assert [line["data"] for line in taken] == [[{"a": 1, "b": 3}, {"a": 2, "b": 4}]] * 20
    assert [line["data"] for line in given] == [[{"sum": 4}, {"sum": 6}]] * 20
    assert [line["correlationid"] for line in taken] == [line["correlationid"] for line in given]
    assert {line["agent"] for line in taken} == {"azureml-ai-monitoring/1.0.0"}
