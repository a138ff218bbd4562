"""Runs in MLflow's own virtual environment, with MLflow's own client: does what it is told on standard input.

A line of JSON in: {"op", "clients", "seconds", "count", "names", "versions"}; a line out: {"latencies_ms", "took_s"}.
Its client keeps its connections open. Nothing of Slipway is imported here.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mlflow import MlflowClient  # type: ignore[import-not-found]

PAGE = 100
MODEL_BYTES = 1_000_000
NEEDLES = 20  # versions that share a value of the tag `needle`


class Worker:
    """MLflow's client, and the numbers of what it makes."""

    def __init__(self, url: str, folder: str) -> None:
        self.client = MlflowClient(tracking_uri=url, registry_uri=url)
        self.folder = folder
        self.run_id = self.client.create_run("0").info.run_id
        self.made = itertools.count()
        self.client.log_artifact(self.run_id, self._file("there"), "there")

    def _file(self, name: str) -> str:
        path = os.path.join(self.folder, f"{name}.model")
        with open(path, "wb") as file:
            file.write(os.urandom(MODEL_BYTES))
        return path

    def step(self, op: str, names: int, versions: int) -> Callable[[int], Any]:
        """What one call of the operation does, by its number."""
        client, each = self.client, max(1, versions // names)

        def register(index: int) -> None:
            number = next(self.made)
            path = self._file(str(number))
            client.log_artifact(self.run_id, path, f"m{number}")
            self.create(index % names, f"m{number}")
            os.unlink(path)

        steps: dict[str, Callable[[int], Any]] = {
            "register": register,
            "create": lambda i: self.create(i % names, "there"),
            "get": lambda i: client.get_model_version(f"m{i % names}", str(i * 7919 % each + 1)),
            "model": lambda i: client.get_registered_model(f"m{i % names}"),
            "label": lambda i: client.set_registered_model_alias(
                f"m{i % names}", "champion", str((i + i // names) % each + 1)
            ),
            "search": lambda i: client.search_model_versions(
                f"tags.needle = 'n{i * 31 % max(1, versions // NEEDLES)}'", max_results=PAGE
            ),
            "list": lambda i: client.search_model_versions("", max_results=PAGE),
        }
        return steps[op]

    def create(self, model: int, folder: str) -> None:
        source = f"runs:/{self.run_id}/{folder}"
        self.client.create_model_version(f"m{model}", source, self.run_id, tags={"owner": "ml-team"})

    def run(self, op: str, clients: int, seconds: float, count: int, names: int, versions: int) -> dict[str, Any]:
        """Closed loop: each client begins its next call when its last was answered."""
        step, latencies, numbers = self.step(op, names, versions), [], itertools.count()
        began = time.perf_counter()

        def client() -> None:
            while time.perf_counter() - began < seconds and (index := next(numbers)) < count:
                start = time.perf_counter()
                step(index)
                latencies.append((time.perf_counter() - start) * 1000)

        with ThreadPoolExecutor(clients) as pool:
            for done in [pool.submit(client) for _ in range(clients)]:
                done.result()
        return {"latencies_ms": latencies, "took_s": time.perf_counter() - began}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        worker = Worker(sys.argv[1], folder)
        print(json.dumps({"ready": True}), flush=True)
        for line in sys.stdin:
            print(json.dumps(worker.run(**json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
