"""`--reload`: a changed script or model is served without a restart, and one that is broken does not end the server."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.scenarios.scoring_server import MODEL, ROW, serving, wait_for
from tests.unit.scoring.onnx_models import sums

SCHEMA = (
    "from inference_schema.schema_decorators import input_schema, output_schema\n"
    "from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType as P\n"
    "import helper_of_reload\n"
    "def init(): pass\n"
    "@input_schema('data', P('a'))\n@output_schema(P('a'))\n"
    "def run(data): return helper_of_reload.NAME\n"
)


def test_a_script_and_what_it_imports_are_loaded_again(tmp_path: Path) -> None:
    root = tmp_path / "app"
    root.mkdir()
    (root / "helper_of_reload.py").write_text("NAME = 'first'\n")
    (root / "score.py").write_text(SCHEMA)
    environ = {"AML_APP_ROOT": str(root), "AZUREML_ENTRY_SCRIPT": "score.py", "PYTHONDONTWRITEBYTECODE": "1"}
    with serving(tmp_path / "log", "--reload", **environ) as server:

        def answers() -> object:
            return server.client.post("/score", json={"data": "x"}).json()

        assert answers() == "first"
        (root / "helper_of_reload.py").write_text("NAME = 'the second'\n")
        wait_for(lambda: answers() == "the second", "the changed module is not served")
        (root / "score.py").write_text("def init(: broken\n")
        wait_for(lambda: "not loaded again" in server.log(), "the broken script is not told")
        assert answers() == "the second"
        (root / "score.py").write_text("def init(): pass\ndef run(data): return 'third'\n")
        wait_for(lambda: answers() == "third", "the repaired script is not served")


def test_a_model_is_loaded_again(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    made = sums(tmp_path).path
    shutil.copy(made, folder / "model.onnx")
    with serving(tmp_path / "log", "--reload", "--model", str(folder)) as server:
        assert server.client.post("/score", json=[[1, 2, 3]]).json() == [6]
        shutil.copy(MODEL / "model.onnx", folder / "model.onnx")
        wait_for(lambda: server.client.post("/score", json=[ROW]).status_code == 200, "the new model is not served")
