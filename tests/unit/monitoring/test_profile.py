"""A data set's sketch and profile, made by a process of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

from shared.monitoring.compare import Comparison, compare
from shared.monitoring.profile import _shape
from shared.monitoring.sketch import main
from shared.monitoring.sketches.moments import moments_of
from shared.monitoring.sketches.numerical import NumericalSketch
from shared.resources.monitor_request import DataFile, DataSet
from shared.resources.monitor_result import Verdict

RNG = np.random.default_rng(12)


def _dataset(tmp_path: Path) -> Path:
    x = RNG.normal(5, 2, 3_000)
    table = pa.table(
        {
            "x": pa.array(x, mask=np.arange(3_000) < 300),
            "k": RNG.integers(0, 4, 3_000),
            "s": ["a", "b", "b"] * 1_000,
            "one": np.ones(3_000),
        }
    )
    pq.write_table(table, tmp_path / "data.parquet")
    described = tmp_path / "data.json"
    described.write_text(DataSet(files=[DataFile(path=str(tmp_path / "data.parquet"))]).model_dump_json())
    return described


def test_a_profile_has_azure_mls_names(tmp_path: Path) -> None:
    described, sketch, profile = _dataset(tmp_path), tmp_path / "data.sketch", tmp_path / "profile.json"
    command = [sys.executable, "-m", "shared.monitoring.sketch", str(described), str(sketch), str(profile)]
    subprocess.run(command, check=True)
    document = json.loads(profile.read_text())
    columns = {one["columnName"]: one for one in document["columns"]}
    values = pq.read_table(tmp_path / "data.parquet")["x"].drop_null().to_numpy()
    x = columns["x"]
    assert (document["rows"], x["count"], x["missingCount"], x["percentMissing"]) == (3_000, 3_000, 300, 0.1)
    assert x["quantiles"]["p25"] == np.quantile(values, 0.25, method="inverted_cdf")
    assert x["moments"]["variance"] == pytest.approx(values.var(ddof=1))
    assert [one["count"] for one in x["histogram"]] == np.histogram(values, 10)[0].tolist()
    assert columns["s"]["valueCounts"] == [{"value": "b", "count": 2_000}, {"value": "a", "count": 1_000}]
    assert x["typeCounts"] == [{"type": "float", "count": 2_700}, {"type": "null", "count": 300}]
    assert x["moments"]["skewness"] == pytest.approx(stats.skew(values))
    assert x["moments"]["kurtosis"] == pytest.approx(stats.kurtosis(values))
    assert (columns["one"]["moments"]["skewness"], columns["s"]["emptyCount"]) == (None, 0)
    assert columns["s"]["stringLengths"] == [{"value": 1, "count": 3_000}]
    assert (columns["k"]["uniqueValues"], len(columns["one"]["histogram"])) == (4, 1)


def test_the_shape_of_a_column_that_is_not_kept_is_close() -> None:
    values = np.sort(RNG.gamma(2.0, size=100_000))
    kept = NumericalSketch(moments_of(values), values=values)
    found = _shape(kept.compacted())
    assert found["skewness"] == pytest.approx(stats.skew(values), abs=0.01)
    assert found["kurtosis"] == pytest.approx(stats.kurtosis(values), abs=0.05)


def test_the_sketch_stands_for_the_data(tmp_path: Path) -> None:
    described, sketch = _dataset(tmp_path), tmp_path / "data.sketch"
    assert main([str(described), str(sketch)]) == 0
    found = compare(Comparison(str(sketch), str(tmp_path / "data.parquet"))).signals[0]
    assert found.verdict is Verdict.HEALTHY
    assert {one.name: one.type for one in found.features} == {
        "x": "numerical", "k": "categorical", "s": "categorical", "one": "numerical",
    }  # fmt: skip


def test_what_cannot_be_read_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    described = tmp_path / "data.json"
    described.write_text(DataSet(files=[DataFile(path=str(tmp_path / "none.parquet"))]).model_dump_json())
    assert main([str(described), str(tmp_path / "x.sketch")]) == 1
    assert "is no file" in capsys.readouterr().err
    described.write_text("{}")
    assert main([str(described), str(tmp_path / "x.sketch")]) == 1
    assert "has no columns" in capsys.readouterr().err
    assert main([]) == 1
