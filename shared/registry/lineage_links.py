"""What one resource says it came from: pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from shared.registry.keys import asset_reference
from shared.resources import model, run
from shared.resources.base import Resource
from shared.resources.lineage import Relation
from shared.resources.model import DatasetReference, ModelSpec, Origin
from shared.resources.run import RunSpec
from shared.resources.search import references_of
from shared.sources.uris import without_query

# What git said when it was made: Azure ML's properties, and MLflow's, which Azure ML writes, too.
_COMMIT = ("azureml.git.commit", "mlflow.source.git.commit")
_COMMIT_FACTS = {
    "repository": ("azureml.git.repository_uri", "mlflow.source.git.repoURL"),
    "branch": ("azureml.git.branch", "mlflow.source.git.branch"),
    "dirty": ("azureml.git.dirty",),
    "build": ("azureml.git.build_uri", "azureml.git.build_id"),
}
_ENVIRONMENT = ("azureml.environment", "environment")
_PURPOSES = {"train": Relation.TRAINED_ON, "test": Relation.TESTED_ON, "valid": Relation.TESTED_ON}
_REFERRERS = {"deployment": Relation.DEPLOYS, "endpoint": Relation.DEPLOYS, "package": Relation.PACKAGES}
SHORT_COMMIT = 10


@dataclass(frozen=True, slots=True)
class Link:
    """A thing that a resource came from."""

    relation: Relation
    id: str  # KIND/NAME:VERSION
    label: str
    facts: dict[str, str] = field(default_factory=dict)  # what the resource itself says of the thing


def upstream(resource: Resource) -> tuple[Link, ...]:
    """What the resource came from, each once; () when it says nothing."""
    if resource.kind == model.KIND:
        links = list(_of_model(ModelSpec.model_validate(resource.spec)))
    elif resource.kind == run.KIND:
        links = list(_of_run(RunSpec.model_validate(resource.spec)))
    else:
        links = []
    links += [*_commit(resource.properties), *_environment(_first(resource.properties, _ENVIRONMENT))]
    known = {link.id for link in links}
    others = [id_ for id_ in references_of(resource) if id_ not in known]
    refers = _REFERRERS.get(resource.kind, Relation.REFERS_TO)
    links += [Link(refers, id_, id_.partition("/")[2]) for id_ in others]
    return tuple({(link.relation, link.id): link for link in links}.values())


def _of_model(spec: ModelSpec) -> Iterator[Link]:
    for dataset in spec.datasets:
        yield _dataset(_purpose(dataset.purpose), dataset)
    if spec.run_id:
        yield Link(Relation.PRODUCED_BY, f"{run.KIND}/{spec.run_id}", spec.run_id, _experiment(spec.experiment_name))
    if spec.parent_model_id:
        yield Link(Relation.DERIVED_FROM, f"{model.KIND}/{spec.parent_model_id}", spec.parent_model_id)
    if spec.origin is not None and (taken := _origin(spec.origin, spec.run_id)):
        yield taken


def _of_run(spec: RunSpec) -> Iterator[Link]:
    for dataset in spec.inputs:
        yield _dataset(Relation.READ, dataset)
    yield from _environment(spec.environment)


def _dataset(relation: Relation, dataset: DatasetReference) -> Link:
    shown = without_query(dataset.reference)
    id_ = asset_reference("data", dataset.reference) or f"data/{shown}"
    return Link(relation, id_, id_.partition("/")[2], {"purpose": dataset.purpose})


def _purpose(purpose: str) -> Relation:
    folded = purpose.casefold()
    return next((relation for start, relation in _PURPOSES.items() if folded.startswith(start)), Relation.USED)


def _experiment(name: str | None) -> dict[str, str]:
    return {"experiment": name} if name else {}


def _origin(origin: Origin, run_id: str | None) -> Link | None:
    """Where the files were before; None when that is the run that is told already."""
    if origin.system == "run":
        taken = origin.id.partition("/")[0]
        return None if taken == run_id else Link(Relation.TAKEN_FROM, f"{run.KIND}/{taken}", taken)
    shown = without_query(origin.id)
    return Link(Relation.TAKEN_FROM, f"origin/{origin.system}/{shown}", shown, {"system": origin.system})


def _environment(text: str | None) -> Iterator[Link]:
    if text:
        id_ = asset_reference("environment", text) or f"environment/{without_query(text)}"
        yield Link(Relation.BUILT_IN, id_, id_.partition("/")[2])


def _commit(properties: Mapping[str, str]) -> Iterator[Link]:
    commit = _first(properties, _COMMIT)
    if commit:
        said = {name: _first(properties, keys) for name, keys in _COMMIT_FACTS.items()}
        facts = {name: without_query(value) for name, value in said.items() if value}
        yield Link(Relation.COMMITTED_AS, f"commit/{commit}", commit[:SHORT_COMMIT], facts)


def _first(properties: Mapping[str, str], keys: tuple[str, ...]) -> str | None:
    return next((properties[key] for key in keys if properties.get(key)), None)
