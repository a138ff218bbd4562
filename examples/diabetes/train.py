"""Trains the example model and writes model.onnx next to this file: `python examples/diabetes/train.py`.

Data: the diabetes study of Efron et al., "Least Angle Regression" (2004), as bundled with scikit-learn: 442 patients,
ten standardised measurements, and the progression of the disease one year later. Nothing is downloaded. The file is
committed; the same versions of the libraries (requirements-dev.txt) write the same bytes again.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_diabetes
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split

SEED = 20261123
TARGET = Path(__file__).with_name("model.onnx")
OPSETS = {"": 17, "ai.onnx.ml": 3}  # old enough for every onnxruntime since 1.13
MAX_DIFFERENCE = 1e-4  # relative, between float32 in ONNX Runtime and float64 in scikit-learn
LEAST_R2 = 0.3  # on patients the model has not seen; published models reach about 0.4 to 0.5


def train() -> tuple[GradientBoostingRegressor, np.ndarray, np.ndarray]:
    """The trained model and the held-out part: measurements (n, 10) as float32 and outcomes (n,)."""
    data = load_diabetes()
    measured = data.data.astype(np.float32)
    fit_x, test_x, fit_y, test_y = train_test_split(measured, data.target, test_size=0.25, random_state=SEED)
    model = GradientBoostingRegressor(
        n_estimators=60, max_depth=3, learning_rate=0.08, subsample=0.7, random_state=SEED
    )
    return model.fit(fit_x, fit_y), test_x, test_y


def export(model: GradientBoostingRegressor) -> bytes:
    """The model as ONNX: input `measurements` (n, 10) float32, output `progression` (n, 1) float32."""
    exported = to_onnx(
        model,
        name="diabetes",
        initial_types=[("measurements", FloatTensorType([None, 10]))],
        final_types=[("progression", FloatTensorType([None, 1]))],
        target_opset=OPSETS,
    )
    return exported.SerializeToString(deterministic=True)


def predict(exported: bytes, measured: np.ndarray) -> np.ndarray:
    """What ONNX Runtime makes of the exported model: (n,)."""
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    return session.run(["progression"], {"measurements": measured})[0].ravel()


def main() -> int:
    """Train, export, compare, write; 1, with nothing written, when the two disagree or the model is no good."""
    model, test_x, test_y = train()
    exported = export(model)
    expected = model.predict(test_x)
    difference = float(np.max(np.abs(predict(exported, test_x) - expected) / np.abs(expected)))
    score = r2_score(test_y, expected)
    print(f"R2 on {len(test_y)} unseen patients: {score:.3f}; ONNX against scikit-learn: {difference:.1e} at most")
    if difference > MAX_DIFFERENCE or score < LEAST_R2:
        print("not written: the exported model is not what was trained, or predicts too badly", file=sys.stderr)
        return 1
    temporary = TARGET.with_suffix(".partial")
    temporary.write_bytes(exported)
    os.replace(temporary, TARGET)
    print(f"{TARGET.name}: {len(exported)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
