"""Governance: a JSON Schema that a team puts at policies/model.json says which models may be registered.

What it is applied to is a Candidate; a model that it does not accept is refused with every fault. A policy that cannot
be read refuses everything: governance that fails open is none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError

from shared.errors import Fault, Invalid, NotFound
from shared.ports import UploadArea
from shared.resources.automation import AutomationPolicy
from shared.resources.base import Document, Resource
from shared.resources.model import ModelDeclaration, ModelFacts, ModelSpec

POLICIES: Literal["policies"] = "policies"
POLICY_FILE = "model.json"
POLICY_PATH = f"{POLICIES}/{POLICY_FILE}"
AUTOMATION_FILE = "automation.json"
AUTOMATION_PATH = f"{POLICIES}/{AUTOMATION_FILE}"
MAX_POLICY_BYTES = 256 * 1024
_DATA = ("const", "default", "enum", "examples")  # keywords of JSON Schema whose values are no schemas
DRAFT = "https://json-schema.org/draft/2020-12/schema"


class Candidate(Document):
    """A model version as policies see it."""

    name: str = Field(description="name of the model")
    description: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    properties: dict[str, str] = Field(default_factory=dict)
    facts: dict[str, Any] = Field(default_factory=dict, description="type, framework, stage, datasets, run_id...")
    files: dict[str, int] = Field(default_factory=dict, description="path -> size in bytes")
    created_by: str = ""

    @classmethod
    def of(cls, declaration: ModelDeclaration, sizes: Mapping[str, int], *, actor: str) -> Candidate:
        """The candidate that a declaration and its files are."""
        return cls._seen(declaration, declaration, sizes, actor)

    @classmethod
    def registered(cls, version: Resource) -> Candidate:
        """The candidate that a registered version would be."""
        spec = ModelSpec.model_validate(version.spec)
        sizes = {file.path: file.size_bytes for file in spec.files}
        return cls._seen(version, spec, sizes, version.created_by)

    @classmethod
    def _seen(
        cls, named: ModelDeclaration | Resource, facts: ModelFacts, sizes: Mapping[str, int], actor: str
    ) -> Candidate:
        own = ModelFacts(**{name: getattr(facts, name) for name in ModelFacts.model_fields})
        return cls(
            name=named.name,
            description=named.description,
            tags=named.tags,
            properties=named.properties,
            facts=own.model_dump(mode="json", exclude_none=True),
            files=dict(sizes),
            created_by=actor,
        )

    def document(self) -> dict[str, Any]:
        """What the schema is applied to: the facts beside the rest, absent where nobody said anything."""
        rest = self.model_dump(mode="json", exclude={"facts", "files"}, exclude_none=True)
        files = [{"path": path, "size_bytes": size} for path, size in sorted(self.files.items())]
        return {**rest, **self.facts, "files": files, "size_bytes": sum(self.files.values())}


class Policies:
    """The policies that are in force: read afresh each time, so that a change counts at once."""

    def __init__(self, area: UploadArea) -> None:
        self._area = area
        self._compiled: tuple[str, Any] | None = None  # the ETag, and the validator made of that state

    async def check(self, candidate: Candidate) -> tuple[Fault, ...]:
        """Every fault the policy finds; () without one, and where there is no policy. Raises Invalid when the policy
        itself is wrong."""
        try:
            blob, content = await self._area.read_blob("policies", POLICY_FILE, max_bytes=MAX_POLICY_BYTES)
        except NotFound:
            return ()
        if self._compiled is None or self._compiled[0] != blob.etag:
            self._compiled = (blob.etag, compiled(content))
        return violations(self._compiled[1], candidate)

    async def check_change(self, before: Resource, after: Resource) -> None:
        """Raises Invalid when a change makes a version break the policy where it did not before: a tag that the policy
        asks for cannot be taken away."""
        old = {(fault.pointer, fault.message) for fault in await self.check(Candidate.registered(before))}
        faults = await self.check(Candidate.registered(after))
        new = tuple(fault for fault in faults if (fault.pointer, fault.message) not in old)
        if new:
            raise Invalid(f"{POLICY_PATH} does not accept the change", faults=new, remedy="keep what it asks for")

    async def automation(self) -> AutomationPolicy | None:
        """What is done with new versions by itself; None where there is no such policy. Raises Invalid, with all that
        is wrong, for one that is none."""
        try:
            _, content = await self._area.read_blob(POLICIES, AUTOMATION_FILE, max_bytes=MAX_POLICY_BYTES)
        except NotFound:
            return None
        return read_automation(content)

    async def text(self, file: str = POLICY_FILE) -> str | None:
        """A policy as it lies there; None where there is none."""
        try:
            _, content = await self._area.read_blob(POLICIES, file, max_bytes=MAX_POLICY_BYTES)
        except NotFound:
            return None
        return content.decode(errors="replace")


def read_automation(content: bytes) -> AutomationPolicy:
    """The policy that the JSON says. Raises Invalid, with all that is wrong."""
    remedy = "correct it; until then nothing is optimised or profiled by itself"
    try:
        return AutomationPolicy.model_validate(json.loads(content))
    except ValidationError as error:
        faults = tuple(
            Fault(each["msg"][:300], _pointer(each["loc"]), file=AUTOMATION_PATH) for each in error.errors()[:100]
        )
        raise Invalid(f"{AUTOMATION_PATH} is not accepted", faults=faults, remedy=remedy) from error
    except (ValueError, RecursionError) as error:
        raise Invalid(f"{AUTOMATION_PATH} is no JSON: {str(error)[:300]}", remedy=remedy) from error


def compiled(content: bytes) -> Any:
    """The validator of a policy. Raises Invalid for what is no JSON Schema, and for a format that is not checked here:
    JSON Schema would let every value pass."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for

    try:
        schema = json.loads(content)
        if not isinstance(schema, dict | bool):
            raise ValueError("it is neither an object nor true or false")
        kind: Any = validator_for(schema, default=Draft202012Validator)
        kind.check_schema(schema)
    except SchemaError as error:
        raise _not_a_policy(str(error.message), (Fault(_message(error), _pointer(error.absolute_path)),)) from error
    except (ValueError, RecursionError) as error:
        raise _not_a_policy(str(error), ()) from error
    known = sorted(kind.FORMAT_CHECKER.checkers)
    if faults := tuple(_unknown_formats(schema, "", known)):
        raise _not_a_policy("it asks for a format that is not checked", faults)
    return kind(schema, format_checker=kind.FORMAT_CHECKER)


def _not_a_policy(why: str, faults: tuple[Fault, ...]) -> Invalid:
    message = f"{POLICY_PATH} is not a JSON Schema: {why[:300]}"
    return Invalid(message, faults=faults, remedy="correct it; until then nothing is registered")


def _unknown_formats(schema: Any, pointer: str, known: list[str]) -> Iterator[Fault]:
    """A fault for each `format` below the schema that no checker knows; what is data is not looked into."""
    if isinstance(schema, list):
        for index, part in enumerate(schema):
            yield from _unknown_formats(part, f"{pointer}/{index}", known)
    if isinstance(schema, dict):
        asked = schema.get("format")
        if isinstance(asked, str) and asked not in known:
            yield Fault(f"the format {asked!r} is not checked", f"{pointer}/format", allowed=", ".join(known))
        for key, part in schema.items():
            if key not in _DATA:
                yield from _unknown_formats(part, f"{pointer}{_pointer([key])}", known)


def violations(validator: Any, candidate: Candidate) -> tuple[Fault, ...]:
    """Every fault of the candidate, by its place. Raises Invalid when the schema refers to what is not in it."""
    from referencing.exceptions import Unresolvable

    try:
        errors = sorted(validator.iter_errors(candidate.document()), key=lambda error: (error.json_path, error.message))
    except (Unresolvable, RecursionError) as error:
        raise Invalid(f"{POLICY_PATH} refers to what is not in it: {error}") from error
    return tuple(
        Fault(_message(error), _pointer(error.absolute_path), allowed=_description(error.schema)) for error in errors
    )


def _message(error: Any) -> str:
    return str(error.message)[:300]


def _description(schema: Any) -> str | None:
    """What the policy itself says is allowed at that place."""
    text = schema.get("description") if isinstance(schema, dict) else None
    return text if isinstance(text, str) and text else None


def _pointer(path: Any) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
