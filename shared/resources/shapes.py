"""What the shapes of declared files are made of: enums in any case, versions, texts with bindings, picked branches."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Protocol, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Tag,
    ValidationInfo,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from shared.resources.base import Document
from shared.resources.bindings import BINDING_RULE, bindings, is_binding
from shared.resources.model import TextMap as TextMap
from shared.resources.references import Reference, parse_reference

# What Azure ML writes into every file it shows, and ignores when it reads one back.
DUMP_ONLY = frozenset({"creation_context", "provisioning_state", "latest_version"})


class Surroundings(Protocol):
    """What is around the validated file: the validation context of pydantic. Without one, nothing is looked up."""

    def check_exists(self, path: str) -> None:
        """Raises ValueError when the path, relative to the file, is not there or not allowed."""

    def load(self, path: str, forms: tuple[str, ...]) -> None:
        """Load the file there as one of these forms. Raises ValueError, or shared.errors.Invalid with its faults."""


class Shape(Document):
    """Base of the shapes of declared files: built when first used; keys that Azure ML only writes are dropped."""

    model_config = ConfigDict(extra="forbid", defer_build=True)
    dump_only: ClassVar[frozenset[str]] = frozenset()  # more such keys of this shape

    @model_validator(mode="before")
    @classmethod
    def _without_dump_only(cls, value: Any) -> Any:
        if not isinstance(value, dict) or not cls.dump_only & value.keys():
            return value
        return {key: each for key, each in value.items() if key not in cls.dump_only}


def may(description: str, default: Any = None, **limits: Any) -> Any:
    """A field that may be left out."""
    return Field(default=default, description=description, **limits)


def must(description: str, **limits: Any) -> Any:
    """A field that must be there."""
    return Field(description=description, **limits)


def some(description: str) -> Any:
    """A map or list that is empty when left out."""
    return Field(default_factory=dict, description=description)


def refuse(message: str, allowed: str | None = None, *, at: str = "", **more: Any) -> PydanticCustomError:
    """An error of a validator: what is wrong, what is allowed, at which key of the value."""
    context = {"told": message, "allowed": allowed, "at": at, **more}
    return PydanticCustomError("told", "{told}", context)


def fold(value: object) -> str:
    """A value of an enum as Azure ML compares them: no difference of case, nor between snake and camel case."""
    return str(value).replace("_", "").replace("-", "").lower()


class AnyCase:
    """Marks a Literal or an enum whose values are accepted in any case: Annotated[Literal["key"], AnyCase()].
    `bindable` accepts a binding too; `aliases` are other spellings that Azure ML reads."""

    def __init__(self, *, bindable: bool = False, aliases: Mapping[str, str] | None = None) -> None:
        self.bindable = bindable
        self.aliases = dict(aliases or {})
        self.values: tuple[str, ...] = ()

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        members = tuple(source) if isinstance(source, type) and issubclass(source, StrEnum) else get_args(source)
        self.values = values = tuple(str(value) for value in members)
        table = {fold(value): value for value in members} | {fold(k): v for k, v in self.aliases.items()}

        def match(value: Any) -> Any:
            found = table.get(fold(value)) if isinstance(value, str | bool) else None
            if found is not None:
                return found
            if self.bindable and is_binding(value):
                return checked_bindings(value)
            raise refuse(f"{shown(value)}: not accepted", ", ".join(values))

        return core_schema.no_info_plain_validator_function(
            match, metadata={"pydantic_js_input_core_schema": core_schema.str_schema()}
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The values for completion, and a pattern for their other spellings (ECMA 262 has no inline flag)."""
        patterns = [_any_case(value) for value in (*self.values, *self.aliases)]
        choices: list[dict[str, Any]] = [
            {"enum": list(self.values)},
            {"type": "string", "pattern": f"^({'|'.join(patterns)})$"},
        ]
        if self.bindable:
            choices.append({"type": "string", "pattern": r"\$\{\{"})
        if set(self.values) <= {"true", "false"}:
            choices.append({"type": "boolean"})
        return {"anyOf": choices}


def _any_case(value: str) -> str:
    letters = [f"[{c.lower()}{c.upper()}]" if c.isalpha() else re.escape(c) for c in re.sub("[_-]", "", value)]
    return "[_-]?".join(letters)


def shown(value: Any) -> str:
    """`value` in a message, shortened."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def checked_bindings(text: str) -> str:
    """`text` when its bindings are well formed."""
    try:
        bindings(text)
    except ValueError as error:
        raise refuse(str(error), BINDING_RULE) from error
    return text


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise refuse(f"{value}: not a number", "a number")
    return value


def _value_or_binding(value: Any) -> str:
    return "<binding>" if is_binding(value) else "<value>"


def _version(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value


def _environment_variable(value: Any) -> Any:
    return "" if value is None else str(value) if isinstance(value, bool | int | float) else value


Version = Annotated[
    str,
    BeforeValidator(_version, json_schema_input_type=str | int | float),
    Field(pattern=r"^[a-zA-Z0-9_][a-zA-Z0-9\-\._]*$", max_length=255),
]
Int = Annotated[int, BeforeValidator(_no_bool, json_schema_input_type=int | str)]
Number = Annotated[float, BeforeValidator(_no_bool, json_schema_input_type=float | str)]
BoundText = Annotated[str, AfterValidator(checked_bindings)]  # a text whose bindings are checked
BindableInt = Annotated[
    Annotated[Int, Tag("<value>")] | Annotated[BoundText, Tag("<binding>")], Discriminator(_value_or_binding)
]
BindableBool = Annotated[
    Annotated[bool, Tag("<value>")] | Annotated[BoundText, Tag("<binding>")], Discriminator(_value_or_binding)
]
VariableValue = Annotated[
    str, BeforeValidator(_environment_variable, json_schema_input_type=str | int | float | bool | None)
]
EnvironmentVariables = dict[str, VariableValue]


def is_mapping(value: Any) -> str:
    """Tag of a union of a text and a mapping."""
    return "<mapping>" if isinstance(value, Mapping | Document) else "<text>"


def told(value: Any, key: str = "type") -> Any:
    """What a mapping, or the shape that was made of it, says at `key`; None for anything else."""
    return value.get(key) if isinstance(value, Mapping) else getattr(value, key, None)


def by_type(*types: str) -> Callable[[Any], str]:
    """The discriminator of a union of mappings whose `type` says which: tags are "<type>", the first without `type`,
    "<unknown>" for others (known_type refuses those before)."""
    table = {fold(name): f"<{name}>" for name in types}

    def pick(value: Any) -> str:
        kind = told(value)
        return f"<{types[0]}>" if kind is None else table.get(fold(kind), "<unknown>")

    return pick


def known_type(*types: str, needed: bool = True) -> BeforeValidator:
    """Refuses a mapping whose `type` is missing or unknown, at that key and with the list; runs before a branch is
    picked."""
    table = {fold(name) for name in types}
    allowed = ", ".join(types)

    def check(value: Any) -> Any:
        if isinstance(value, Document):
            return value
        if not isinstance(value, Mapping):
            raise refuse(f"{shown(value)}: not a mapping", "a mapping with `type`" if needed else "a mapping")
        if value.get("type") is None:
            if needed:
                raise refuse("'type' is missing", allowed, at="type")
        elif fold(value["type"]) not in table:
            raise refuse(f"{shown(value['type'])}: not accepted", allowed, at="type")
        return value

    return BeforeValidator(check)


def reference(text: str, *accepted: type, rule: str) -> Reference:
    """The reference in `text`, when it is of an accepted form. Raises with the rule."""
    try:
        found = parse_reference(text)
    except ValueError as error:
        raise refuse(f"{shown(text)}: {error}", rule) from error
    if not isinstance(found, accepted):
        raise refuse(f"{shown(text)}: not accepted", rule)
    return found


def surroundings(info: ValidationInfo) -> Surroundings | None:
    """What is around the validated file; None when it is validated alone."""
    context: Surroundings | None = info.context
    return context
