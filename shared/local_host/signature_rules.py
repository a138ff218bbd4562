"""What the Python worker demands of a function's parameters, with its own reasons (azure-functions-runtime 1.3.0,
functions.py, Registry.add_indexed_function), so that what runs here also loads on Azure."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Mapping
from typing import Any

import azure.functions as func
from azure.functions.decorators.core import Binding, BindingDirection

from shared.errors import Invalid
from shared.local_host.converters import GENERIC, converter

# Microsoft.Azure.WebJobs.Script, Utility.ValidateBinding; names that start with "_" are refused by older hosts.
_BINDING_NAME = re.compile(r"(?!.*__)([a-zA-Z]\w*|\$return)\Z")


def load_error(function_name: str, reason: str) -> Invalid:
    """The worker's FunctionLoadError."""
    return Invalid(f"cannot load the {function_name} function: {reason}")


def check_signature(name: str, call: Callable[..., Any], bindings: list[Binding]) -> tuple[dict[str, str], bool]:
    """({parameter: type of its converter}, whether it wants `context`). Raises Invalid where the worker would not load
    the function: parameters without a binding or the reverse, annotations it can't convert to."""
    annotations = _annotations(name, call)
    parameters = set(inspect.signature(call).parameters)
    bound = {binding.name: binding for binding in bindings if binding.name != "$return"}
    for binding in bindings:
        _check_binding(name, binding)
    wants_context = "context" in parameters and "context" not in bound
    if wants_context:
        parameters.discard("context")
        _check_context(name, annotations)
    _check_names(name, parameters, set(bound))
    converters = {p: _converter_type(name, bound[p], annotations) for p in sorted(parameters)}
    _check_return(name, annotations, bindings)
    return converters, wants_context


def _annotations(name: str, call: Callable[..., Any]) -> Mapping[str, Any]:
    try:
        return typing.get_type_hints(call)
    except (NameError, TypeError, AttributeError) as error:
        raise load_error(
            name, f"an annotation cannot be evaluated: {error} (a type imported only under TYPE_CHECKING?)"
        ) from error


def _check_binding(name: str, binding: Binding) -> None:
    if not _BINDING_NAME.match(binding.name):
        raise load_error(
            name, f"the binding name {binding.name!r} is invalid: letters, digits and single _ are allowed"
        )
    if binding.direction == BindingDirection.INOUT.value:
        raise load_error(name, '"inout" bindings are not supported')
    if binding.name == "$return" and binding.direction != BindingDirection.OUT.value:
        raise load_error(name, '"$return" binding must have direction set to "out"')


def _check_context(name: str, annotations: Mapping[str, Any]) -> None:
    annotation = annotations.get("context", func.Context)
    if not isinstance(annotation, type) or annotation.__name__ != "Context":
        raise load_error(
            name,
            f'the "context" parameter is expected to be of type azure.functions.Context, got "{annotation!r}"',
        )


def _check_names(name: str, parameters: set[str], bound: set[str]) -> None:
    if unbound := parameters - bound:
        raise load_error(
            name,
            f"the following parameters are declared in Python but not in the function's decorators: {sorted(unbound)}",
        )
    if absent := bound - parameters:
        raise load_error(
            name, f"the following parameters are declared as bindings but are not present in Python: {sorted(absent)}"
        )


def _converter_type(name: str, binding: Binding, annotations: Mapping[str, Any]) -> str:
    if binding.name not in annotations:
        return str(binding.type)
    annotation = annotations[binding.name]
    if not isinstance(annotation, type):  # Optional[X], X | None, Union, List[X]
        raise load_error(name, f"binding {binding.name} has invalid non-type annotation {annotation!r}")
    if annotation in (str, bytes):
        return GENERIC
    if not converter(binding.type).check_input_type_annotation(annotation):
        raise load_error(
            name,
            f'type of {binding.name} binding in the binding decorator "{binding.type}" does not match its Python '
            f'annotation "{annotation.__name__}"',
        )
    return str(binding.type)


def _check_return(name: str, annotations: Mapping[str, Any], bindings: list[Binding]) -> None:
    returned = [binding for binding in bindings if binding.name == "$return"]
    if not returned or "return" not in annotations:
        return
    annotation = annotations["return"]
    if not isinstance(annotation, type):
        raise load_error(name, f"has invalid non-type return annotation {annotation!r}")
    if not converter(returned[0].type).check_output_type_annotation(annotation):
        raise load_error(
            name,
            f'Python return annotation "{annotation.__name__}" does not match binding type "{returned[0].type}"',
        )
