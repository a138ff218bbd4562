"""How much features matter, and the joins and samples that it rests on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shared.errors import Invalid
from shared.monitoring.importance import importances
from shared.monitoring.joined import row_sample, with_column
from shared.monitoring.learning import learnt
from shared.resources.importance import MAX_KEPT, LearntImportance, with_learnt
from shared.resources.monitor_request import DataFile, DataSet
from shared.resources.monitor_result import DataCounts

RNG = np.random.default_rng(77)
ROWS = 5_000


def table(**columns: object) -> pa.Table:
    return pa.table(columns)


def test_a_sum_of_effects_is_taken_apart() -> None:
    """Each feature's part is known: a normal one of weight w has a mean magnitude of w * sqrt(2 / pi)."""
    a, b, c = RNG.normal(size=(3, ROWS))
    site = RNG.choice(["x", "y"], ROWS)
    y = 2 * a + np.abs(b) + np.where(site == "x", 1.0, -1.0)
    found = importances(table(a=a, b=b, c=c, site=site, y=y), ["a", "b", "c", "site"], "y")
    spread = y.std()
    assert found["a"] == pytest.approx(2 * np.sqrt(2 / np.pi) / spread, rel=0.05)
    assert found["site"] == pytest.approx(1.0 / spread, rel=0.05)
    assert found["b"] == pytest.approx(np.abs(np.abs(b) - np.abs(b).mean()).mean() / spread, rel=0.15)
    assert found["c"] < 0.05


@pytest.mark.parametrize("kind", ["texts", "numbers", "truths", "number texts"])
def test_classes_are_told_apart_whatever_they_are_called(kind: str) -> None:
    a, b = RNG.normal(size=(2, ROWS))
    above = a > 0.3
    target = {
        "texts": np.where(above, "yes", "no"),
        "numbers": above.astype(int),
        "truths": above,
        "number texts": np.where(above, "1", "0"),
    }[kind]
    found = importances(table(a=a, b=b, y=target), ["a", "b"], "y")
    assert found["a"] > 10 * found["b"]


def test_nulls_and_odd_columns_do_no_harm() -> None:
    a = RNG.normal(size=ROWS)
    holes = pa.array(a, mask=RNG.random(ROWS) < 0.3)
    odd = table(a=holes, none=pa.nulls(ROWS), lists=[[1]] * ROWS, same=[1.0] * ROWS, code=["k"] * ROWS,
                infinite=[float("inf")] * ROWS, day=pa.array(range(ROWS), pa.date32()),
                y=pa.array(a, mask=RNG.random(ROWS) < 0.1))  # fmt: skip
    found = importances(odd, [name for name in odd.schema.names if name != "y"], "y")
    assert max(found, key=lambda name: found[name]) == "a"
    assert all(np.isfinite(list(found.values())))
    assert (found["none"], found["lists"], found["infinite"]) == (0.0, 0.0, 0.0)


def test_a_target_that_tells_nothing_is_told() -> None:
    for y in (pa.array([1.0] * 100), pa.nulls(100), pa.array(["k"] * 100)):
        with pytest.raises(Invalid, match="says the same everywhere"):
            importances(table(a=RNG.normal(size=100), y=y), ["a"], "y")
    with pytest.raises(Invalid, match="no features beside the target"):
        importances(table(y=RNG.normal(size=100)), [], "y")


def _parquet(path: Path, **columns: object) -> DataSet:
    pq.write_table(pa.table(columns), path, row_group_size=1_000)
    return DataSet(label=path.name, files=[DataFile(path=str(path))])


def test_a_sample_is_one_of_all_rows(tmp_path: Path) -> None:
    data = _parquet(tmp_path / "a.parquet", n=np.arange(200_000), s=["x"] * 200_000)
    counts = DataCounts()
    found = row_sample(data, ["n", "s"], 2_000, 1, counts)
    values = found.column("n").to_numpy()
    assert (len(values), len(set(values.tolist())), counts.rows) == (2_000, 2_000, 200_000)
    assert np.histogram(values, 4, (0, 200_000))[0].min() > 400
    again = row_sample(data, ["n"], 2_000, 1, DataCounts()).column("n").to_numpy()
    assert sorted(again.tolist()) == sorted(values.tolist())
    with pytest.raises(Invalid, match="there is no column 'z'"):
        row_sample(data, ["z"], 10, 1, DataCounts())


def test_a_join_keeps_what_both_have(tmp_path: Path) -> None:
    left = pa.table({"id": ["a", "b", "c"], "x": [1, 2, 3]})
    right = _parquet(tmp_path / "right.parquet", key=["c", "z", "a"], y=[30, 0, 10])
    found = with_column(left, "id", right, "key", "y")
    assert found.to_pylist() == [{"id": "a", "x": 1, "y": 10}, {"id": "c", "x": 3, "y": 30}]
    assert with_column(left, "id", _parquet(tmp_path / "r.parquet", key=["b"], x=[7]), "key", "x").to_pylist() == [
        {"id": "b", "x": 2, "x_": 7}
    ]
    with pytest.raises(Invalid, match="has the 'id' of one of the inputs"):
        with_column(left, "id", _parquet(tmp_path / "none.parquet", key=["q"], y=[1]), "key", "y")


def test_files_whose_columns_differ_are_joined_as_texts(tmp_path: Path) -> None:
    paths = []
    for number, value in enumerate(("5", 5, 5.5)):
        (path := tmp_path / f"{number}.jsonl").write_text(json.dumps({"id": str(number), "y": value}) + "\n")
        paths.append(path)
    right = DataSet(files=[DataFile(path=str(path), format="jsonl") for path in paths])
    found = with_column(pa.table({"id": ["0", "1", "2"]}), "id", right, "id", "y")
    assert [str(value) for value in found.column("y").to_pylist()] in (["5", "5", "5.5"], ["5", "5.0", "5.5"])


def test_what_is_known_of_a_version_is_not_learnt_again(tmp_path: Path) -> None:
    a, b = RNG.normal(size=(2, ROWS))
    pq.write_table(table(a=a, b=b, y=a + b / 2, z=b), tmp_path / "d.parquet")
    files = [DataFile(path=str(tmp_path / "d.parquet"))]
    weights, (new,) = learnt(DataSet(label="d:1", files=files), ["a", "b"], "y", 0)
    assert (new.data, new.target, new.weights) == ("d:1", "y", weights)
    marked = new.model_copy(update={"weights": {"a": 7.0, "b": 8.0}})
    known = DataSet(label="d:1", files=files, importances=[marked])
    assert learnt(known, ["a", "b"], "y", 0) == ({"a": 7.0, "b": 8.0}, [])
    for features, target, seed in ((["a"], "y", 0), (["a", "b"], "z", 0), (["a", "b"], "y", 1)):
        found, (other,) = learnt(known, features, target, seed)
        assert found == other.weights != marked.weights
    old = marked.model_copy(update={"method": "additive-0"})
    assert learnt(known.model_copy(update={"importances": [old]}), ["a", "b"], "y", 0) == (weights, [new])
    part = known.model_copy(update={"segment_column": "a", "segment_values": [str(a[0])]})
    with pytest.raises(Invalid):  # one row: what is known of all rows is not asked
        learnt(part, ["a", "b"], "y", 0)


def test_the_newest_answers_are_kept_one_for_each_question() -> None:
    def answer(target: str, weight: float = 1.0) -> LearntImportance:
        return LearntImportance(data="d:1", target=target, seed=0, weights={"a": weight})

    kept: list[LearntImportance] = []
    for number in range(MAX_KEPT + 2):
        kept = with_learnt(kept, answer(f"t{number}"))
    assert [one.target for one in kept] == [f"t{number}" for number in range(2, MAX_KEPT + 2)]
    assert with_learnt(kept, answer("t5", 2.0)) == [*(one for one in kept if one.target != "t5"), answer("t5", 2.0)]
