"""What a registration makes of a run: pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from shared.commit import Draft
from shared.errors import Fault, Invalid
from shared.events import types
from shared.registry.keys import asset_reference
from shared.resources.base import Resource, ResourceKey
from shared.resources.model import ModelFile
from shared.resources.patches import patch_properties
from shared.resources.run import ENDED, MAX_FILES, RunDeclaration, RunFacts, RunSpec

KEPT_UPLOADS = 100


def draft_of(
    key: ResourceKey, asked: RunDeclaration, files: Sequence[ModelFile], before: Resource | None
) -> Draft | None:
    """The run after the registration; None when nothing changes. Raises Invalid for what may not change."""
    present = RunSpec.model_validate(before.spec) if before else RunSpec(run_id=key.name, files=[])
    faults = tuple(_faults(asked, files, present if before else None))
    if faults:
        raise Invalid(f"run {key.name!r} cannot become that", faults=faults, remedy="register another run")
    properties = patch_properties(before.properties if before else {}, asked.properties)
    spec = _spec(asked, files, present)
    draft = Draft(
        key,
        spec.model_dump(mode="json"),
        before.status if before else {},
        description=asked.description,
        tags=asked.tags,
        properties=properties,
    )
    if before is not None and draft == Draft.of(before):
        return None
    if before is not None and replace(draft, spec={**draft.spec, "upload_ids": present.upload_ids}) == Draft.of(before):
        return draft  # the same files were sent once more: only that is noted
    return replace(draft, events=(types.run_registered(key.name, spec.experiment_name, spec.status, asked.tags),))


def _spec(asked: RunDeclaration, files: Sequence[ModelFile], present: RunSpec) -> RunSpec:
    every = {file.path: file for file in (*present.files, *files)}
    uploads = [*present.upload_ids, *([asked.upload_id] if asked.upload_id else [])]
    named = [asset_reference("data", each.reference) for each in asked.inputs]
    named.append(asset_reference("environment", asked.environment))
    return RunSpec(
        **{name: getattr(asked, name) for name in RunFacts.model_fields},
        run_id=present.run_id,
        files=[every[path] for path in sorted(every)],
        references=sorted({each for each in named if each}),
        upload_ids=list(dict.fromkeys(uploads))[-KEPT_UPLOADS:],
    )


def _faults(asked: RunDeclaration, files: Sequence[ModelFile], present: RunSpec | None) -> Iterator[Fault]:
    known = {file.path: file.sha256 for file in present.files} if present else {}
    for file in files:
        if known.get(file.path, file.sha256) != file.sha256:
            yield Fault(f"{file.path!r} is there with other content", "/files", allowed="files with new paths")
    count = len(known.keys() | {file.path for file in files})
    if count > MAX_FILES:
        yield Fault(f"the run would have {count} files", "/files", allowed=f"at most {MAX_FILES}")
    if present and present.status in ENDED and asked.status != present.status:
        yield Fault(f"the run is {present.status.value} and stays so", "/status", allowed=present.status.value)
