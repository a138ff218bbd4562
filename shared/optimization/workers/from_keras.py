"""TensorFlow: Keras files (.keras, .h5) and SavedModel folders, by tf2onnx."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .rows import Rows

DEFAULT_OPSET = 18  # tf2onnx' own default is older than most quantised operators


class TensorFlowModel:
    """A function of tensors, with a signature."""

    def __init__(self, function: Any, signature: list[Any]) -> None:
        self._function = function
        self._signature = signature

    def convert(self, opset: int | None) -> Any:
        """See Source."""
        import tf2onnx

        model, _ = tf2onnx.convert.from_function(
            self._function, input_signature=self._signature, opset=opset or DEFAULT_OPSET
        )
        return model

    def outputs(self, rows: Rows) -> list[np.ndarray]:
        """See Source."""
        return [one.numpy() for one in self.predict(self.prepare(rows))]

    def prepare(self, rows: Rows) -> Any:
        """See Source."""
        import tensorflow as tf

        given = rows.arrays if len(self._signature) > 1 else {self._signature[0].name: rows.matrix}
        return [tf.constant(given[one.name], dtype=one.dtype) for one in self._signature]

    def predict(self, prepared: Any) -> Any:
        """See Source."""
        return self._function(*prepared)


def open_model(path: str, rows: Rows, threads: int) -> TensorFlowModel:
    """The model in a file or folder. Raises ValueError for a SavedModel without `serving_default`."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    return _saved_model(tf, path) if Path(path).is_dir() else _keras(tf, path)


def _keras(tf: Any, path: str) -> TensorFlowModel:
    model = tf.keras.models.load_model(path, compile=False)
    signature = [tf.TensorSpec([None, *one.shape[1:]], one.dtype, name=one.name.split(":")[0]) for one in model.inputs]

    def call(*inputs: Any) -> Any:
        return tf.nest.flatten(model(inputs[0] if len(inputs) == 1 else list(inputs), training=False))

    return TensorFlowModel(tf.function(call, input_signature=signature), signature)


def _saved_model(tf: Any, path: str) -> TensorFlowModel:
    loaded = tf.saved_model.load(path)
    if "serving_default" not in loaded.signatures:
        raise ValueError("the SavedModel has no signature serving_default")
    serving = loaded.signatures["serving_default"]
    named = serving.structured_input_signature[1]
    signature = [tf.TensorSpec(spec.shape, spec.dtype, name=name) for name, spec in sorted(named.items())]

    def call(*inputs: Any) -> Any:
        return tf.nest.flatten(serving(**{spec.name: one for spec, one in zip(signature, inputs, strict=True)}))

    function = tf.function(call, input_signature=signature)
    function.kept_alive = loaded  # the variables belong to it
    return TensorFlowModel(function, signature)
