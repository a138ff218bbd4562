"""Modules that scripts import AMLRequest, AMLResponse and rawhttp from, where the packages themselves are not there."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

from shared.scoring.scripts import monitoring
from shared.scoring.scripts.raw_http import AMLRequest, AMLResponse, RawHttp, rawhttp

SERVER = "azureml_inference_server_http"
MONITORING = "azureml.ai.monitoring"  # of azureml-ai-monitoring
_LEGACY = "azureml.contrib.services"  # of azureml-contrib-services, SDK v1


def install() -> None:
    """Make the modules importable. Those of a package that is installed are left to it."""
    for package, prefix in ((SERVER, f"{SERVER}.api"), (_LEGACY, _LEGACY)):
        if not _is_there(package):
            _provide(f"{prefix}.aml_request", AMLRequest=AMLRequest, rawhttp=rawhttp)
            _provide(f"{prefix}.aml_response", AMLResponse=AMLResponse)
    if not _is_there(MONITORING):
        _provide(MONITORING, Collector=monitoring.Collector)
        contexts = (monitoring.CorrelationContext, monitoring.BasicCorrelationContext, monitoring.get_context)
        _provide(f"{MONITORING}.context", **{each.__name__: each for each in contexts})
        _provide(f"{MONITORING}.collector", Collector=monitoring.Collector)


def monitoring_package_is_there() -> bool:
    """Whether azureml-ai-monitoring itself is installed: it sends what it collects by HTTP."""
    return _is_there(MONITORING)


def raw_http_is_asked_for() -> bool:
    """Whether the script has used @rawhttp, ours or that of the installed package."""
    installed = sys.modules.get(f"{SERVER}.api.aml_request")
    return RawHttp.requested or bool(getattr(installed, "_rawHttpRequested", False))


def _is_there(package: str) -> bool:
    if isinstance(sys.modules.get(package), _Provided):
        return False
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


class _Provided(ModuleType):
    """A module that stands in for one that is not installed."""


def _provide(name: str, **contents: object) -> None:
    module = _Provided(name, "Stands in for a package that is not installed here.")
    vars(module).update(contents)
    sys.modules[name] = module
    parent, _, child = name.rpartition(".")
    while parent:
        if parent not in sys.modules and _is_there(parent):
            importlib.import_module(parent)
        if parent not in sys.modules:
            package = _Provided(parent)
            package.__path__ = []
            sys.modules[parent] = package
        setattr(sys.modules[parent], child, sys.modules[f"{parent}.{child}"])
        parent, _, child = parent.rpartition(".")
