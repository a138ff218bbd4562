"""`make bench`, or `python -m tests.benchmarks [NAME...] [--quick] [--write]`: measures what docs/benchmarks.md states.

--quick is for development: short runs, whose figures mean little.
"""

from __future__ import annotations

import argparse
import asyncio
import compileall
from collections.abc import Awaitable, Callable

from tests.benchmarks import (
    cli_start,
    cold_start,
    collected_hours,
    deploy,
    drift,
    drift_power,
    environments,
    event_latency,
    kubernetes,
    optimization,
    packaging,
    profiling,
    profiling_neighbour,
    reconcile,
    registration_rate,
    registry,
    router,
    scale,
    scoring,
    upload_2gb,
    validation,
    webhooks,
)
from tests.benchmarks.report import ROOT, Result, conditions, load_average, save, write_document

BENCHMARKS: dict[str, Callable[[bool], Awaitable[Result]]] = {
    "cli-start": cli_start.measure,
    "cold-start": cold_start.measure,
    "collected-hours": collected_hours.measure,
    "deploy": deploy.measure,
    "drift": drift.measure,
    "drift-power": drift_power.measure,
    "environments": environments.measure,
    "event-latency": event_latency.measure,
    "kubernetes": kubernetes.measure,
    "optimization": optimization.measure,
    "packaging": packaging.measure,
    "profiling": profiling.measure,
    "profiling-neighbour": profiling_neighbour.measure,
    "reconcile": reconcile.measure,
    "registration-rate": registration_rate.measure,
    "registry": registry.measure,
    "router": router.measure,
    "scale": scale.measure,
    "scoring": scoring.measure,
    "upload-2gb": upload_2gb.measure,
    "validation": validation.measure,
    "webhooks": webhooks.measure,
}


async def main() -> None:
    """Run what was asked for, print the tables, keep the samples."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"[all of {', '.join(BENCHMARKS)}]")
    parser.add_argument("--quick", action="store_true", help="short runs")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    asked = parser.parse_args()
    if unknown := [name for name in asked.names if name not in BENCHMARKS]:
        parser.error(f"{', '.join(unknown)}: known are {', '.join(BENCHMARKS)}")
    if asked.quick and asked.write:
        parser.error("figures of --quick are not for docs/benchmarks.md")
    for folder in ("shared", "functions"):
        compileall.compile_dir(ROOT / folder, quiet=2)
    results = []
    for name in asked.names or BENCHMARKS:
        print(f"== {name}", flush=True)
        before = load_average()
        result = await BENCHMARKS[name](asked.quick)
        result.conditions = conditions(before)
        results.append(result)
        print("\n\n".join(table.text() for table in result.tables), flush=True)
        print(f"({result.conditions})\n", flush=True)
    print(f"samples: {save(results).relative_to(ROOT)}")
    if asked.write:
        write_document(results)


if __name__ == "__main__":
    asyncio.run(main())
