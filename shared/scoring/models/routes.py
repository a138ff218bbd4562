"""/score and /invocations of ONNX models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from shared.scoring.errors import RequestError
from shared.scoring.http.messages import Request, Response
from shared.scoring.inputs.arrays import Feeds
from shared.scoring.inputs.bodies import read
from shared.scoring.models.batching import Batcher
from shared.scoring.models.onnx_model import OnnxModel, Outputs
from shared.scoring.models.results import body_of, dump, records
from shared.scoring.problems import NOT_FAILED, mlflow, problem
from shared.scoring.routes import Answer, Reply, Route

Body = Callable[[Outputs, str], bytes]


Offer = Callable[[Feeds, Outputs, Request], None]


class Collector(Protocol):
    """Takes what models were asked and answered."""

    def of_model(self, model: OnnxModel) -> Offer | None:
        """Keeps it of this model, or counts it as dropped; it never waits and raises nothing. None: nothing is kept."""
        ...


class OnnxRoutes:
    """The routes of loaded models. With several names /score says which paths there are."""

    def __init__(self, batchers: list[Batcher], max_body_bytes: int, collector: Collector | None) -> None:
        self._max_body_bytes = max_body_bytes
        self.batchers = {(each.model.name, each.model.version): each for each in batchers}
        self.offers = {
            key: offer
            for key, each in self.batchers.items()
            if collector is not None and (offer := collector.of_model(each.model)) is not None
        }

    def score(self, model: OnnxModel) -> Route:
        """POST and GET of /score."""
        answer = self._answer(model, body_of)
        return Route("/score", {b"POST": answer, b"GET": answer, b"OPTIONS": options}, problem, scores=True)

    def invocations(self, model: OnnxModel) -> Route:
        """POST of /invocations: `{"predictions": ...}` (MLflow 3, pyfunc/scoring_server)."""
        answer = self._answer(model, _predictions)
        return Route("/invocations", {b"POST": answer}, mlflow, scores=True)

    def _answer(self, model: OnnxModel, body: Body) -> Answer:
        batcher = self.batchers[model.name, model.version]
        names = frozenset(each.name for each in model.signature.inputs)
        signature, max_bytes = model.signature, self._max_body_bytes
        offer = self.offers.get((model.name, model.version))

        def answer(request: Request, reply: Reply) -> None:
            reply.model = model.name
            feeds, key = read(request, signature, names, max_bytes)

            def send(outcome: Outputs | RequestError, seconds: float) -> None:
                if isinstance(outcome, RequestError):
                    raise outcome
                headers = (NOT_FAILED, (b"x-ms-run-fn-exec-ms", b"%.3f" % (seconds * 1000)))
                reply.send(Response(200, body(outcome, key), headers=headers))
                if offer is not None:
                    offer(feeds, outcome, request)

            batcher.submit(feeds, lambda outcome, seconds: reply.attempt(send, outcome, seconds))

        return answer


def _predictions(outputs: Outputs, key: str) -> bytes:
    return dump({"predictions": records(outputs)})


def options(request: Request, reply: Reply) -> None:
    """OPTIONS of /score: 200 with no body [inf, server/routes.py]."""
    reply.send(Response(200, b""))
