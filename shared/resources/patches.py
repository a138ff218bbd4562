"""What may change of a registered version: a JSON merge patch (RFC 7396) of description, tags, properties and what
Azure ML's Model.update takes besides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import ConfigDict, Field

from shared.errors import Fault, Invalid
from shared.resources.base import Document
from shared.resources.model import MAX_TAGS, DatasetReference, ModelSpec, ResourceConfiguration, Text, TextKey


class ModelPatch(Document):
    """A merge patch: what is left out stays; null removes a tag or the description."""

    model_config = ConfigDict(title="ModelPatch")

    description: Annotated[str | None, Field(max_length=65536)] = None
    tags: dict[TextKey, Text | None] = Field(default_factory=dict, max_length=MAX_TAGS)
    properties: dict[TextKey, Text] = Field(default_factory=dict, max_length=MAX_TAGS)
    stage: Annotated[str | None, Field(max_length=256)] = None
    sample_input: Annotated[str | None, Field(max_length=1024)] = None
    sample_output: Annotated[str | None, Field(max_length=1024)] = None
    resource_configuration: ResourceConfiguration | None = None
    add_datasets: list[DatasetReference] = Field(default_factory=list, max_length=100)

    def description_or(self, present: str | None) -> str | None:
        """The description after the patch."""
        return self.description if "description" in self.model_fields_set else present


def patch_spec(present: ModelSpec, patch: ModelPatch) -> ModelSpec:
    """The spec after the patch; data sets are only added, each once. Raises Invalid when there would be too many."""
    names = {"stage", "sample_input", "sample_output", "resource_configuration"} & patch.model_fields_set
    datasets = [*present.datasets, *(new for new in patch.add_datasets if new not in present.datasets)]
    if len(datasets) > MAX_TAGS:
        raise Invalid(f"{len(datasets)} data sets are too many", faults=(Fault("too many", "/add_datasets"),))
    return present.model_copy(update={**{name: getattr(patch, name) for name in names}, "datasets": datasets})


def patch_tags(present: Mapping[str, str], patch: Mapping[str, str | None]) -> dict[str, str]:
    """The tags after the patch. Raises Invalid when there would be too many."""
    merged = {**present, **patch}
    tags = {key: value for key, value in merged.items() if value is not None}
    if len(tags) > MAX_TAGS:
        raise Invalid(f"{len(tags)} tags are too many", faults=(Fault("too many", "/tags", allowed=f"{MAX_TAGS}"),))
    return tags


def patch_properties(present: Mapping[str, str], patch: Mapping[str, str]) -> dict[str, str]:
    """The properties after the patch. Raises Invalid for each that would change: properties are facts."""
    faults = tuple(
        Fault(f"the property {key!r} is {present[key]!r} and stays so", f"/properties/{key}", allowed="new keys")
        for key, value in patch.items()
        if key in present and present[key] != value
    )
    if faults:
        raise Invalid("properties never change", faults=faults, remedy="use a tag, or another key")
    merged = {**present, **patch}
    if len(merged) > MAX_TAGS:
        fault = Fault("too many", "/properties", allowed=f"{MAX_TAGS}")
        raise Invalid(f"{len(merged)} properties are too many", faults=(fault,))
    return merged
