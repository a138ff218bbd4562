"""Loads what is served, an ONNX model or an entry script, and makes its routes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.scoring import swagger
from shared.scoring.collector.collector import DataCollector
from shared.scoring.errors import NotFound
from shared.scoring.http.messages import Request
from shared.scoring.logs import LOGGER
from shared.scoring.metrics import Metrics
from shared.scoring.models import mlflow_model
from shared.scoring.models.batching import Batcher
from shared.scoring.models.routes import OnnxRoutes
from shared.scoring.models.store import ModelStore
from shared.scoring.oip.routes import OipRoutes
from shared.scoring.routes import Answer, Reply, Route
from shared.scoring.scripts import monitoring
from shared.scoring.scripts.entry_script import initialize, load
from shared.scoring.scripts.routes import ScriptRoute
from shared.scoring.scripts.workers import Workers
from shared.scoring.service import Family
from shared.scoring.settings import Settings


@dataclass(slots=True)
class Backend:
    """What answers, and what ends with it."""

    routes: dict[bytes, Route]
    families: tuple[Family, ...]
    threads: Sequence[Batcher | Workers]
    models: tuple[ModelStore, OnnxRoutes] | None = None

    def close(self) -> None:
        """End its threads."""
        for each in self.threads:
            each.close()


async def load_script(settings: Settings, metrics: Metrics, collector: DataCollector | None) -> Backend:
    """The entry script, imported and initialized in the thread that will call it. Raises StartError."""
    monitoring.bind(collector)
    workers = Workers(settings.workers, settings.scoring_timeout_ms, metrics)
    try:
        script = await workers.call(lambda: load(settings.app_root, settings.entry_script, settings.source_directory))
        await workers.call(lambda: initialize(script, settings.model_dir))
    except BaseException:
        workers.close()
        raise
    LOGGER.info("run() of %s takes %s", Path(script.path).name, script.mode)
    scores = ScriptRoute(script, workers, metrics, settings.max_body_bytes).route()
    documents = swagger.of_script(script, settings)
    return Backend({b"/score": scores, b"/swagger.json": swagger.route(documents)}, (), [workers])


async def load_mlflow(path: Path, settings: Settings, metrics: Metrics) -> Backend:
    """An MLflow model folder, loaded in the thread that will call it. Raises StartError."""
    workers = Workers(settings.workers, settings.scoring_timeout_ms, metrics)
    try:
        model = await workers.call(lambda: mlflow_model.load(path))
    except BaseException:
        workers.close()
        raise
    return Backend(mlflow_model.MlflowRoutes(model, workers, metrics, settings.max_body_bytes).routes(), (), [workers])


async def load_models(path: Path, settings: Settings, metrics: Metrics, collector: DataCollector | None) -> Backend:
    """The models of a file or folder, loaded and warmed up in a thread: the loop goes on. Raises StartError."""
    if mlflow_model.is_mlflow_folder(path):
        return await load_mlflow(path, settings, metrics)
    store, batchable = await asyncio.to_thread(_load, path, settings.threads)
    batchers = [
        Batcher(
            model,
            batchable=batchable[model.name, model.version],
            max_rows=settings.max_batch_rows,
            max_delay_ms=settings.max_delay_ms,
            timeout_ms=settings.scoring_timeout_ms,
            metrics=metrics,
        )
        for model in store.all
    ]
    made = OnnxRoutes(batchers, settings.max_body_bytes, collector)
    only = store.only
    if only is not None:
        documents = swagger.of_model(only, settings)
        routes = {
            b"/score": made.score(only),
            b"/invocations": made.invocations(only),
            b"/swagger.json": swagger.route(documents),
        }
    else:
        routes = {b"/score": Route("/score", {b"POST": _several(store), b"GET": _several(store)}, scores=True)}
    protocol = OipRoutes(store, made, settings.max_body_bytes)
    families = (_by_name(store, made), protocol.family)
    return Backend({**routes, b"/v2": protocol.server()}, families, batchers, (store, made))


def _load(path: Path, threads: int) -> tuple[ModelStore, dict[tuple[str, str], bool]]:
    store = ModelStore.load(path, threads)
    batchable = {(model.name, model.version): model.warm_up() for model in store.all}
    for model in store.all:
        LOGGER.info(
            "loaded the model %s",
            model.name,
            extra={
                "fields": {
                    "version": model.version,
                    "providers": model.providers,
                    "batched": batchable[model.name, model.version],
                }
            },
        )
    return store, batchable


def _several(store: ModelStore) -> Answer:
    names = ", ".join(f"/models/{name}/score" for name in sorted({model.name for model in store.all}))

    def answer(request: Request, reply: Reply) -> None:
        raise NotFound(f"several models are served; each has its path: {names}")

    return answer


def _by_name(store: ModelStore, made: OnnxRoutes) -> Family:
    known: dict[bytes, Route] = {}
    for model in store.all:
        paths = [f"/models/{model.name}/versions/{model.version}/score"]
        if store.get(model.name) is model:
            paths.append(f"/models/{model.name}/score")
        known |= {path.encode(): made.score(model) for path in paths}
    return known.get
