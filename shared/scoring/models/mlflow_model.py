"""MLflow model folders without an ONNX file, by mlflow itself (extra `scoring-mlflow`), in threads as scripts are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shared.scoring.errors import InternalError, InvalidInput, StartError
from shared.scoring.http.messages import Request, Response
from shared.scoring.inputs import forms
from shared.scoring.inputs.bodies import plain_body, query_document
from shared.scoring.logs import LOGGER
from shared.scoring.metrics import Metrics
from shared.scoring.models.results import dump
from shared.scoring.problems import NOT_FAILED, mlflow, problem
from shared.scoring.routes import Answer, Reply, Route
from shared.scoring.scripts.workers import Workers

_MESSAGE_CHARACTERS = 400


def is_mlflow_folder(path: Path) -> bool:
    """Whether it holds an MLmodel file, and no ONNX model that needs no MLflow."""
    return (path / "MLmodel").is_file() and not any(path.rglob("*.onnx"))


def load(path: Path) -> Any:
    """The model's python function. Raises StartError when mlflow is not there, or can't load it."""
    try:
        import mlflow.pyfunc
    except ImportError as error:
        raise StartError(f"{path.name} is an MLflow model: it needs the extra scoring-mlflow: {error}") from error
    try:
        return mlflow.pyfunc.load_model(str(path))
    except Exception as error:
        raise StartError(f"mlflow can't load {path.name}: {error}") from error


class MlflowRoutes:
    """/score gives the predictions, /invocations gives them as MLflow does."""

    def __init__(self, model: Any, workers: Workers, metrics: Metrics, max_body_bytes: int) -> None:
        self._model = model
        self._workers = workers
        self._metrics = metrics
        self._max_body_bytes = max_body_bytes
        schema = model.metadata.get_input_schema()
        self._names = frozenset(schema.input_names() if schema is not None and schema.has_input_names() else ())

    def routes(self) -> dict[bytes, Route]:
        """By path."""
        plain = self._answer(lambda predictions, key: {"Results": predictions} if key == "Inputs" else predictions)
        wrapped = self._answer(lambda predictions, key: {"predictions": predictions})
        return {
            b"/score": Route("/score", {b"POST": plain, b"GET": plain}, problem, scores=True),
            b"/invocations": Route("/invocations", {b"POST": wrapped}, mlflow, scores=True),
        }

    def _answer(self, shape: Any) -> Answer:
        def answer(request: Request, reply: Reply) -> None:
            if request.method == b"GET":
                parsed = forms.parse(query_document(request), self._names)
            else:
                parsed = forms.parse(forms.load(plain_body(request, self._max_body_bytes)), self._names)

            def send(result: Any, error: BaseException | None, elapsed_ms: float) -> None:
                self._metrics.run_seconds.observe(elapsed_ms / 1000)
                if error is not None:
                    raise error
                headers = (NOT_FAILED, (b"x-ms-run-fn-exec-ms", b"%.3f" % elapsed_ms))
                reply.send(Response(200, result, headers=headers))

            self._workers.submit(
                lambda: dump(shape(self._predict(parsed.data), parsed.key)),
                lambda result, error, elapsed_ms: reply.attempt(send, result, error, elapsed_ms),
            )

        return answer

    def _predict(self, data: forms.Table | forms.Tensors) -> Any:
        """In a worker's thread. Raises InvalidInput for what the model's signature does not take."""
        import numpy as np
        import pandas as pd
        from mlflow.exceptions import MlflowException

        if isinstance(data, forms.Tensors):
            given: Any = {name: np.array(value) for name, value in data.values.items()}
        else:
            given = pd.DataFrame(data.rows, columns=data.columns)
        try:
            predicted = self._model.predict(given)
        except MlflowException as error:
            message = " ".join(str(error).split())  # it begins with all the data, and ends with what is wrong
            raise InvalidInput(message[-_MESSAGE_CHARACTERS:]) from error
        except Exception as error:
            LOGGER.exception("the model failed")
            raise InternalError("the model failed; the log says how") from error
        if isinstance(predicted, pd.DataFrame):
            return predicted.to_dict(orient="records")
        return predicted.tolist() if hasattr(predicted, "tolist") else predicted
