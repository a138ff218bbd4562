"""What files are recognised as, without loading them."""

from __future__ import annotations

import importlib.util
import pickle
from pathlib import Path

import joblib
import pytest
import sklearn
from sklearn.linear_model import LinearRegression

from shared.environments.requirements import checked, of_list
from shared.errors import Invalid
from shared.optimization.kinds import KINDS, kind_named, recognise


def test_every_kind_has_its_worker_and_requirements_that_can_be_locked() -> None:
    for kind in KINDS.values():
        assert importlib.util.find_spec(f"shared.optimization.workers.{kind.module}")
        assert {"onnx", "onnxruntime"} <= {one.name for one in checked(of_list(kind.pip()))}
        assert not kind.framework or f"{kind.framework}==1.2" in kind.pip("1.2")
        assert kind_named(kind.name) is kind


def test_an_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(Invalid) as raised:
        kind_named("caffe")
    assert all(name in str(raised.value) for name in KINDS)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.onnx", "onnx"), ("a.pt", "pytorch"), ("a.keras", "tensorflow"), ("a.UBJ", "xgboost"), ("a.txt", "lightgbm")],
)
def test_suffixes_tell_the_kind(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).write_bytes(b"")
    assert recognise(tmp_path / name).kind.name == kind


def test_a_pickle_tells_its_framework_and_version(tmp_path: Path) -> None:
    model = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    for path in (tmp_path / "a" / "model.pkl", tmp_path / "b" / "model.joblib"):
        path.parent.mkdir()
        joblib.dump(model, path) if path.suffix == ".joblib" else path.write_bytes(pickle.dumps(model))
        (path.parent / "readme.txt").write_text("of any folder")
        found = recognise(path.parent)
        assert (found.kind.name, found.path, found.framework_version) == ("sklearn", path, sklearn.__version__)
    (tmp_path / "xgb.pkl").write_bytes(b"\x80\x04csklearn.pipeline\nPipeline\ncxgboost.sklearn\nXGBRegressor\n.")
    assert recognise(tmp_path / "xgb.pkl").kind.name == "xgboost"


def test_a_pickle_is_not_loaded_to_be_recognised(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"cbuiltins\nexec\n(Vraise SystemExit\ntR.")
    assert recognise(tmp_path / "model.pkl").kind.name == "sklearn"


def test_a_named_kind_takes_any_file(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(Invalid, match="no model of a known kind"):
        recognise(tmp_path / "model.json")
    assert recognise(tmp_path / "model.json", "xgboost").kind.name == "xgboost"


def test_a_folder_is_one_model(tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    (saved / "variables").mkdir(parents=True)
    (saved / "saved_model.pb").write_bytes(b"")
    assert recognise(saved).path == saved
    (tmp_path / "a.onnx").write_bytes(b"")
    (tmp_path / "b.onnx").write_bytes(b"")
    with pytest.raises(Invalid, match=r"more than one ONNX model: a\.onnx, b\.onnx"):
        recognise(tmp_path)
    (tmp_path / "b.onnx").rename(tmp_path / "b.pt")
    with pytest.raises(Invalid, match=r"b\.pt \(pytorch\)"):
        recognise(tmp_path)
    with pytest.raises(Invalid, match="there is no gone"):
        recognise(tmp_path / "gone")
