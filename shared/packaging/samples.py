"""The rows that a model is profiled or verified with: sent along, or the file that its `sample_input` names."""

from __future__ import annotations

from collections.abc import AsyncIterator

from shared.errors import Fault, Invalid
from shared.ports import ArtifactStore
from shared.resources.base import Resource
from shared.resources.build import StoredText
from shared.resources.model import ModelSpec


async def sample_of(
    version: Resource, sent: str | StoredText | None, name: str, artifacts: ArtifactStore
) -> tuple[StoredText, str]:
    """The stored rows and their file's name. Raises Invalid when none are sent and the model names none of its own."""
    if isinstance(sent, StoredText):
        return sent, name
    if sent is not None:
        stored = await artifacts.put(_chunks(sent.encode()))
        return StoredText(sha256=stored.sha256, size_bytes=stored.size_bytes), name
    spec = ModelSpec.model_validate(version.spec)
    own = own_sample(spec, spec.sample_input)
    if own is None:
        fault = Fault("no sample is given, and the model's `sample_input` names none of its files", "/sample")
        raise Invalid("there is nothing to send to the model", faults=(fault,), remedy="give --sample FILE")
    return own, str(spec.sample_input)


def own_sample(spec: ModelSpec, path: str | None) -> StoredText | None:
    """The file of the model at the path; None when there is none."""
    own = next((file for file in spec.files if file.path == path), None)
    return StoredText(sha256=own.sha256, size_bytes=own.size_bytes) if own else None


async def _chunks(data: bytes) -> AsyncIterator[bytes]:
    yield data
