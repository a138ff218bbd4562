"""PyTorch: a program of torch.export (.pt2), TorchScript, or a pickled module, by torch.onnx."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from .rows import NUMPY_TYPES, Rows


class TorchModel:
    """A module that takes tensors and gives one tensor or several."""

    def __init__(self, module: Any, rows: Rows, exported: Any = None) -> None:
        self._module = module
        self._exported = exported
        self._rows = rows

    def convert(self, opset: int | None) -> Any:
        """See Source."""
        import onnx
        import torch

        example = self.prepare(self._rows.take(2))
        written = io.BytesIO()
        names = list(self._rows.arrays)
        if isinstance(self._module, torch.jit.ScriptModule):
            axes = {name: {0: "rows"} for name in (*names, "output")}
            known: dict[str, Any] = {"dynamo": False, "dynamic_axes": axes, "output_names": ["output"]}
        else:
            rows = torch.export.Dim("rows")
            known = {"dynamo": True, "dynamic_shapes": tuple({0: rows} for _ in example), "verbose": False}
        if self._exported is not None:
            known.pop("dynamic_shapes")
            self._exported_program(known).save(written)
            return onnx.load_from_string(written.getvalue())
        torch.onnx.export(self._module, example, written, input_names=names, opset_version=opset, **known)
        return onnx.load_from_string(written.getvalue())

    def _exported_program(self, known: dict[str, Any]) -> Any:
        import torch

        return torch.onnx.export(self._exported, **known)

    def outputs(self, rows: Rows) -> list[np.ndarray]:
        """See Source."""
        answer = self.predict(self.prepare(rows))
        return [one.numpy() for one in (answer if isinstance(answer, (list, tuple)) else (answer,))]

    def prepare(self, rows: Rows) -> Any:
        """See Source; numbers become float32, as layers have them by default."""
        import torch

        return tuple(torch.from_numpy(_float32(array)) for array in rows.arrays.values())

    def predict(self, prepared: Any) -> Any:
        """See Source."""
        import torch

        # TorchScript may keep tensors for a backward pass, which those of inference mode cannot be.
        scripted = isinstance(self._module, torch.jit.ScriptModule)
        with torch.no_grad() if scripted else torch.inference_mode():
            return self._module(*prepared)


def open_model(path: str, rows: Rows, threads: int) -> TorchModel:
    """The module in a file; its parameters stay as they are. Raises ValueError for weights without a module."""
    import torch

    torch.set_num_threads(threads)
    if Path(path).suffix.lower() == ".pt2":
        exported = torch.export.load(path)
        return TorchModel(exported.module(), rows, exported)
    try:
        module: Any = torch.jit.load(path, map_location="cpu")
    except RuntimeError:
        module = torch.load(path, map_location="cpu", weights_only=False)
    if not isinstance(module, torch.nn.Module):
        raise ValueError(f"the file holds {type(module).__name__}, no module: save it by torch.export or torch.jit")
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    return TorchModel(module.eval(), rows)


def _float32(array: np.ndarray) -> np.ndarray:
    kept = array.dtype in (np.int64, np.int32, np.bool_)
    return np.ascontiguousarray(array if kept else array.astype(NUMPY_TYPES["tensor(float)"]))
