"""The lineage graph on a real store: what is in it, where it ends, and what is said of what is gone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from shared.bootstrap import ControlPlane
from shared.commit import Current, Draft
from shared.registry.lineage import lineage
from shared.resources.base import ResourceKey
from shared.resources.lineage import MAX_NODES, Lineage
from shared.resources.model import ModelDeclaration, ModelFile, Origin
from shared.resources.run import RunDeclaration
from tests.plane import CAUSE, plane

__all__ = ["plane"]

FILES = (ModelFile(path="m.onnx", sha256="0" * 64, size_bytes=3),)
DATA = {"purpose": "training", "reference": "azureml:diabetes-data:1"}
SHA = "3f2a9bc1d4e5f60718293a4b5c6d7e8f90a1b2c3"


async def model(plane: ControlPlane, name: str, origin: Origin | None = None, **fields: Any) -> str:
    """Register the next version; its NAME:VERSION."""
    declaration = ModelDeclaration(name=name, path="m.onnx", **fields)
    uploads = (await plane.deps.store.list_resources(_versions(name))).items
    upload_id = f"u-{name}-{len(uploads)}"
    version = await plane.deps.registry.register(declaration, FILES, upload_id, CAUSE, origin=origin)
    return f"{version.name}:{version.version}"


def _versions(name: str) -> Any:
    from shared.ports import ResourceQuery

    return ResourceQuery("model", name, "versions", limit=1000)


async def put(plane: ControlPlane, key: ResourceKey, spec: dict[str, Any]) -> None:
    """Write a resource of any kind, as its own registry would."""

    async def change(current: Current) -> Sequence[Draft]:
        before = current[key]
        return (Draft.of(before, spec=spec) if before else Draft(key, spec),)

    await plane.deps.committer.transact((key,), change, CAUSE)


def told(graph: Lineage) -> set[str]:
    """The edges as sentences."""
    return {f"{edge.source} {edge.relation} {edge.target}" for edge in graph.edges}


def states(graph: Lineage) -> dict[str, str]:
    return {node.id: node.state for node in graph.nodes}


async def test_all_that_a_model_came_from_and_all_that_came_from_it(plane: ControlPlane) -> None:
    git = {
        "azureml.git.commit": SHA,
        "azureml.git.repository_uri": "https://me:SECRET@example.org/repo?sig=SECRET",
        "azureml.git.branch": "main",
    }
    run = RunDeclaration.model_validate(
        {"inputs": [DATA], "environment": "azureml:sklearn:3", "experiment_name": "exp"}
    )
    await plane.deps.runs.register("r1", run, CAUSE)
    test = {"purpose": "Testing", "reference": "s3://bucket/holdout.csv?sig=SECRET"}
    await model(plane, "base", origin=Origin(system="mlflow", id="models:/base/1"))
    await model(plane, "m", parent="base:1", run_id="r1", datasets=[DATA, test], properties=git)
    await model(plane, "child", parent="m:1")
    await plane.deps.labels.set("m", "champion", "1", CAUSE)
    await put(plane, ResourceKey("deployment", "blue"), {"references": ["model/m:1"]})
    await put(plane, ResourceKey("profile", "p", "1"), {"references": ["model/m:1"]})
    graph = await lineage(plane.deps.store, "m", "1")
    assert told(graph) == {
        "model/m:1 trained on data/diabetes-data:1",
        "model/m:1 tested on data/s3://bucket/holdout.csv",
        "model/m:1 produced by run/r1",
        "run/r1 read data/diabetes-data:1",
        "run/r1 built in environment/sklearn:3",
        f"model/m:1 committed as commit/{SHA}",
        "model/m:1 derived from model/base:1",
        "model/base:1 taken from origin/mlflow/models:/base/1",
        "model/child:1 derived from model/m:1",
        "label/m@champion names model/m:1",
        "deployment/blue deploys model/m:1",
        "profile/p:1 refers to model/m:1",
    }
    assert (graph.root, graph.nodes[0].id, graph.truncated) == ("model/m:1", "model/m:1", False)
    facts = {node.id: node.facts for node in graph.nodes}
    assert facts[f"commit/{SHA}"] == {"repository": "https://example.org/repo", "branch": "main"}
    assert (facts["run/r1"]["experiment"], facts["run/r1"]["status"]) == ("exp", "Completed")
    assert "SECRET" not in graph.model_dump_json()


async def test_siblings_are_not_part_of_it(plane: ControlPlane) -> None:
    await model(plane, "base")
    await model(plane, "one", parent="base:1", datasets=[DATA])
    await model(plane, "other", parent="base:1", datasets=[DATA])
    assert "model/other:1" not in states(await lineage(plane.deps.store, "one", "1"))
    assert {"model/one:1", "model/other:1"} <= set(states(await lineage(plane.deps.store, "base", "1")))


async def test_a_thing_that_is_reached_twice_is_there_once(plane: ControlPlane) -> None:
    await plane.deps.runs.register("r1", RunDeclaration.model_validate({"inputs": [DATA]}), CAUSE)
    await model(plane, "m", run_id="r1", datasets=[DATA])
    await model(plane, "m", run_id="r1", datasets=[DATA], parent="m:1")
    graph = await lineage(plane.deps.store, "m", "2")
    assert sorted(states(graph)) == ["data/diabetes-data:1", "model/m:1", "model/m:2", "run/r1"]
    assert len(graph.edges) == len(told(graph)) == 6


async def test_a_cycle_ends(plane: ControlPlane) -> None:
    await model(plane, "a")
    await model(plane, "b", parent="a:1")
    first = await plane.deps.registry.get("a", "1")
    await put(plane, first.key, {**first.spec, "parent_model_id": "b:1", "references": ["model/b:1"]})
    graph = await lineage(plane.deps.store, "a", "1")
    assert told(graph) == {"model/b:1 derived from model/a:1", "model/a:1 derived from model/b:1"}
    assert not graph.truncated


async def test_what_was_deleted_is_shown_as_such(plane: ControlPlane) -> None:
    """Also as the root; and what was never here is neither registered nor deleted."""
    await model(plane, "a")
    await model(plane, "b", parent="a:1")
    second = await plane.deps.registry.get("b", "1")
    await put(plane, second.key, {**second.spec, "references": [], "run_id": "elsewhere"})  # written before the guard
    await plane.deps.lifecycle.delete("a", "1", CAUSE)
    graph = await lineage(plane.deps.store, "b", "1")
    assert states(graph) == {"model/b:1": "registered", "model/a:1": "deleted", "run/elsewhere": "external"}
    assert states(await lineage(plane.deps.store, "a", "1")) == {"model/a:1": "deleted"}


async def test_depth_bounds_it_and_says_so(plane: ControlPlane) -> None:
    await model(plane, "m")
    for version in range(1, 5):
        await model(plane, "m", parent=f"m:{version}")
    near = await lineage(plane.deps.store, "m", "3", depth=1)
    assert (sorted(states(near)), near.truncated) == (["model/m:2", "model/m:3", "model/m:4"], True)
    whole = await lineage(plane.deps.store, "m", "3", depth=2)
    assert (len(whole.nodes), len(whole.edges), whole.truncated) == (5, 4, False)


@pytest.mark.parametrize(("users", "truncated"), [(MAX_NODES - 1, False), (MAX_NODES + 5, True)])
async def test_at_most_so_many_nodes_the_nearest_first(plane: ControlPlane, users: int, truncated: bool) -> None:
    await model(plane, "m", datasets=[])
    for number in range(users):
        await put(plane, ResourceKey("deployment", f"d{number:03}"), {"references": ["model/m:1"]})
    graph = await lineage(plane.deps.store, "m", "1")
    assert (len(graph.nodes), len(graph.edges), graph.truncated) == (MAX_NODES, MAX_NODES - 1, truncated)
