"""MLflow model folders, by an environment that has mlflow and scikit-learn."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.scenarios.local_host import ROOT
from tests.scenarios.scoring_server import serving

VENV = ROOT / "build" / "scoring-mlflow"
PACKAGES = ("mlflow", "pandas", "scikit-learn", "onnxruntime", "numpy", "httptools", "uvloop", "orjson")
SAVE = """
import mlflow, pandas as pd, sys
from sklearn.linear_model import LinearRegression
rows = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [0.0, 1.0, 0.0]})
model = LinearRegression().fit(rows, rows["a"] * 2 + rows["b"])
signature = mlflow.models.infer_signature(rows, model.predict(rows))
mlflow.sklearn.save_model(model, sys.argv[1], signature=signature)
"""


@pytest.mark.slow
def test_a_scikit_learn_model_is_served(tmp_path: Path) -> None:
    python = VENV / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    subprocess.run([str(python), "-c", SAVE, str(tmp_path / "model")], check=True, cwd=tmp_path, capture_output=True)
    with serving(tmp_path / "log", "--model", str(tmp_path / "model"), python=str(python)) as server:
        split = {"columns": ["a", "b"], "data": [[1, 0.0], [2.0, 5.0]]}
        answer = server.client.post("/invocations", json={"dataframe_split": split})
        assert answer.json() == {"predictions": pytest.approx([2, 9])}
        assert server.client.post("/score", json=[{"b": 5.0, "a": 2.0}]).json() == pytest.approx([9])
        wrong = server.client.post("/score", json=[{"a": 2.0}])
        assert wrong.status_code == 422
        assert "missing inputs ['b']" in wrong.json()["message"]


def test_without_mlflow_it_says_what_is_needed(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "MLmodel").write_text("flavors: {}\n")
    command = [sys.executable, "-m", "shared.scoring", "--port", "0", "--model", str(tmp_path / "model")]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 3
    assert "needs the extra scoring-mlflow" in ended.stderr
