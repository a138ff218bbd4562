"""From a function app to plain descriptions of its functions, refusing what the Functions host would refuse."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from azure.functions.decorators.function_app import Function, FunctionRegister

from shared.errors import Invalid
from shared.local_host.host_settings import parse_span_s
from shared.local_host.signature_rules import check_signature, load_error

TRIGGER_TYPES = ("httpTrigger", "eventGridTrigger", "queueTrigger", "timerTrigger")
_OUTPUT_TYPES = ("http",)
_FUNCTION_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_\-]{0,127}\Z")  # Microsoft.Azure.WebJobs.Script, Utility
_METHODS = ("GET", "POST", "DELETE", "HEAD", "PATCH", "PUT", "OPTIONS", "TRACE", "CONNECT")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """What @app.retry asked for; the host knows it for timers only among the triggers here."""

    max_retry_count: int  # -1: for ever
    first_delay_s: float
    max_delay_s: float
    exponential: bool

    def delay_s(self, retry: int) -> float:
        """How long to wait before the retry-th retry (1 is the first)."""
        growth = 2 ** min(retry - 1, 30) if self.exponential else 1
        return min(self.first_delay_s * growth, self.max_delay_s)


@dataclass(frozen=True, slots=True)
class FunctionDescription:
    """One function of the app."""

    name: str
    directory: str  # where its module is
    call: Callable[..., Any]
    is_async: bool
    trigger_type: str  # one of TRIGGER_TYPES
    parameter: str  # the trigger's parameter
    converter_type: str  # of the trigger's parameter: trigger_type or "generic"
    settings: dict[str, Any]  # the trigger as in function.json: route, methods, authLevel, queueName, schedule...
    return_type: str | None  # the type of the $return binding
    wants_context: bool
    retry: RetryPolicy | None = None

    @property
    def route(self) -> str:
        """HTTP: the route template; a function without one is found under its name."""
        return str(self.settings.get("route") or self.name)

    @property
    def methods(self) -> tuple[str, ...]:
        """HTTP: the methods in upper case; () is all."""
        return tuple(str(getattr(m, "value", m)).upper() for m in self.settings.get("methods") or ())

    @property
    def auth_level(self) -> str:
        """HTTP: anonymous, function or admin."""
        level = self.settings.get("authLevel") or "function"
        return str(getattr(level, "value", level)).lower()


def load_functions(module_name: str = "function_app") -> tuple[FunctionDescription, ...]:
    """Import the module and index its one FunctionApp. Raises Invalid when there is none or more than one, or when a
    function is not as the host demands: like on Azure, one bad function fails the whole app."""
    return index_app(find_app(importlib.import_module(module_name)))


def find_app(module: ModuleType) -> FunctionRegister:
    """The one FunctionApp at the module's top level."""
    apps = [value for value in vars(module).values() if isinstance(value, FunctionRegister)]
    if len(apps) != 1:
        found = "no top level function app instance" if not apps else f"{len(apps)} top level function app instances"
        raise Invalid(f"{module.__name__} has {found}: exactly one func.FunctionApp() is allowed")
    return apps[0]


def index_app(app: FunctionRegister) -> tuple[FunctionDescription, ...]:
    """All functions of the app, in its order; () when it has none. May be called again for the same app."""
    app.functions_bindings = {}  # azure-functions 1.26 takes a second get_functions() for duplicate names
    try:
        functions = app.get_functions()
    except (ValueError, TypeError, AttributeError) as error:
        raise Invalid(f"the function app cannot be indexed: {error}") from error
    descriptions = tuple(_describe(function) for function in functions)
    names = [description.name.lower() for description in descriptions]
    if duplicates := sorted({name for name in names if names.count(name) > 1}):
        raise Invalid(f"function names differ only in case: {', '.join(duplicates)}")
    return descriptions


def _describe(function: Function) -> FunctionDescription:
    name, call, bindings = str(function.get_function_name()), function.get_user_function(), function.get_bindings()
    if not _FUNCTION_NAME.match(name):
        raise load_error(name, "a name is a letter and up to 127 letters, digits, _ or -")
    trigger = function.get_trigger()
    if trigger is None:
        raise load_error(name, "it has no trigger")
    settings = trigger.get_dict_repr()
    _check_types(name, trigger, bindings)
    converters, wants_context = check_signature(name, call, bindings)
    returned = [binding.type for binding in bindings if binding.name == "$return"]
    description = FunctionDescription(
        name=name,
        directory=str(Path(inspect.getfile(call)).parent),
        call=call,
        is_async=inspect.iscoroutinefunction(call),
        trigger_type=str(trigger.type),
        parameter=trigger.name,
        converter_type=converters[trigger.name],
        settings=settings,
        return_type=returned[0] if returned else None,
        wants_context=wants_context,
        retry=_retry(name, function.get_settings_dict("retry_policy")),
    )
    _check_http(description)
    return description


def _check_types(name: str, trigger: Any, bindings: list[Any]) -> None:
    if trigger.type not in TRIGGER_TYPES:
        raise load_error(name, f"the local host has no {trigger.type} trigger; it has {', '.join(TRIGGER_TYPES)}")
    for binding in bindings:
        if binding is not trigger and binding.type not in _OUTPUT_TYPES:
            raise load_error(
                name, f"the local host has no {binding.type!r} binding; it has {', '.join(_OUTPUT_TYPES)} as $return"
            )


def _check_http(description: FunctionDescription) -> None:
    if description.trigger_type != "httpTrigger":
        return
    if description.return_type is None:
        raise load_error(description.name, "an HTTP function needs an http output binding named $return")
    if unknown := [method for method in description.methods if method not in _METHODS]:
        raise load_error(description.name, f"unknown HTTP methods {unknown}; known: {', '.join(_METHODS)}")
    if description.auth_level not in ("anonymous", "function", "admin"):
        raise load_error(description.name, f"unknown auth level {description.auth_level!r}")


def _retry(name: str, settings: dict[str, Any] | None) -> RetryPolicy | None:
    if not settings:
        return None
    exponential = settings.get("strategy") == "exponential_backoff"
    names = ("minimum_interval", "maximum_interval") if exponential else ("delay_interval", "delay_interval")
    spans = [parse_span_s(str(settings.get(key))) for key in names]
    count = str(settings.get("max_retry_count"))
    if None in spans or not re.fullmatch(r"-1|\d+", count):
        raise load_error(name, "its retry policy needs max_retry_count as a string of digits and intervals as HH:MM:SS")
    return RetryPolicy(int(count), spans[0] or 0.0, spans[1] or 0.0, exponential)
