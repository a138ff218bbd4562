"""Whether the figures that infrastructure signals are judged by can be had where an endpoint runs; pure."""

from __future__ import annotations

from collections.abc import Iterator

from shared.monitors.checking import SIGNALS, Problem
from shared.resources.compute import AnyCompute, Cluster
from shared.resources.iot_edge_compute import IotEdgeCompute
from shared.resources.monitor import InfrastructureSignal, MonitorDeclaration


def figure_problems(monitor: MonitorDeclaration, compute: AnyCompute | None) -> tuple[Problem, ...]:
    """What is wrong with each such signal; () for nothing. `compute` is the one of the endpoint that is monitored, None
    for this machine, and where it is not known."""
    found = _lacking(compute)
    if found is None:
        return ()
    return tuple(Problem(f"{SIGNALS}/{key}", *found) for key in _judged_by_figures(monitor))


def _judged_by_figures(monitor: MonitorDeclaration) -> Iterator[str]:
    for key, signal in (monitor.create_monitor.monitoring_signals or {}).items():
        if isinstance(signal, InfrastructureSignal):
            yield key


def _lacking(compute: AnyCompute | None) -> tuple[str, str] | None:
    if isinstance(compute, Cluster) and not compute.prometheus_url:
        return (
            f"what pods of the cluster {compute.name} count is read from a Prometheus, and it has none",
            f"a compute with prometheus_url: give {compute.name} one in SLIPWAY_COMPUTES",
        )
    if isinstance(compute, IotEdgeCompute):
        return (
            f"requests to the devices of {compute.name} are counted by nobody",
            "an endpoint on this machine, on a cluster with a Prometheus or on Container Instances",
        )
    return None
