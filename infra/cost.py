#!/usr/bin/env python3
"""What an installation costs in a month, by infra/bicep/sizes.json, infra/prices.json and infra/operations.json.

It needs nothing but Python. At rest nobody does anything: timers strike, and what is provisioned is paid. What models
run on (nodes beside the cluster's own, egress, their images) is not in it. Rules, each of which counts rather too much:
- An execution counts one second of a whole instance, Flex Consumption's least, although sixteen may share one.
- Cosmos DB with autoscale is paid by the highest second of each hour: ten times the mean, at least a tenth of the most.
- An execution writes 2 KB of logs; a registration keeps 20 KB in Cosmos DB.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
EXECUTION_S = 1.0
MINUTES_PER_MONTH = 730 * 60
SECONDS_PER_MONTH = 730 * 3600
PEAK = 10  # the highest second of an hour, in means
IDLE_SHARE = 0.1  # of autoscale's most, the least that is paid
LOG_KB = 2  # of an execution
KEPT_KB, MODEL_GB = 20, 0.05  # of a registration
KB_PER_GB = 1_000_000
LOADS = {"dev": 1_000, "team": 30_000, "enterprise": 1_000_000}  # registrations in a month
PRIVATE_ENDPOINTS = 9
WIDTH = 22


def month(
    size: dict[str, Any], prices: dict[str, Any], each: dict[str, Any], registrations: int, gb: float
) -> dict[str, float]:
    """The price of a month by service, without a cluster."""
    loaded, resting = each["registration"], each["minuteAtRest"]
    done = {name: registrations * loaded[name] + MINUTES_PER_MONTH * resting[name] for name in loaded}
    blob, grid, logs_gb = (
        prices["blob"][size["storageSku"]],
        prices["eventGrid"],
        done["executions"] * LOG_KB / KB_PER_GB,
    )
    writes, reads = done["blobWrites"], done["blobReads"]
    return {
        "Functions": functions(size["functions"], prices["functions"], done["executions"]),
        "Cosmos DB": cosmos(size["cosmos"], prices, done["ru"], registrations * KEPT_KB / KB_PER_GB),
        "Blob Storage": gb * blob["gbMonth"]
        + writes / 1e4 * blob["tenThousandWrites"]
        + reads / 1e4 * blob["tenThousandReads"],
        "Queues": done["queueOperations"] / 1e4 * prices["queueTenThousand"],
        "Event Grid": max(0.0, done["eventGridOperations"] - grid["freeOperations"]) / 1e6 * grid["millionOperations"],
        "Container Registry": prices["registryMonth"][size["registrySku"]],
        "Logs": logs_gb * prices["logsGb"],
    }


def functions(size: dict[str, Any], prices: dict[str, Any], executions: float) -> float:
    """Flex Consumption: executions on demand beyond what is free; where instances are always ready, nothing is free."""
    memory_gb = size["instanceMemoryMb"] / 1024
    ready = sum(each["instanceCount"] for each in size["alwaysReady"])
    used_gb_s = executions * EXECUTION_S * memory_gb
    if not ready:
        paid_gb_s = max(0.0, used_gb_s - prices["freeGbSeconds"])
        paid_executions = max(0.0, executions - prices["freeExecutions"])
        return paid_gb_s * prices["gbSecond"] + paid_executions / 1e6 * prices["millionExecutions"]
    baseline = ready * memory_gb * SECONDS_PER_MONTH * prices["alwaysReadyGbSecond"]
    return baseline + used_gb_s * prices["gbSecond"] + executions / 1e6 * prices["millionExecutions"]


def cosmos(size: dict[str, Any], prices: dict[str, Any], ru: float, kept_gb: float) -> float:
    """Request units, storage and backup."""
    own = prices["cosmos"]
    kept = kept_gb * (own["gbMonth"] + own["backupGbMonth"][size["backupTier"]])
    if size["capacity"] == "serverless":
        return kept + ru / 1e6 * own["serverlessMillionRu"]
    paid_ru_s = min(size["maxThroughput"], max(PEAK * ru / SECONDS_PER_MONTH, IDLE_SHARE * size["maxThroughput"]))
    return kept + paid_ru_s / 100 * own["autoscale100RuHour"] * prices["hoursPerMonth"]


def cluster(size: dict[str, Any], prices: dict[str, Any]) -> float:
    """The cluster's tier, one node of its own services, and the fewest nodes for endpoints."""
    own, hours = size["cluster"], prices["hoursPerMonth"]
    return hours * (prices["clusterHour"][own["tier"]] + (1 + own["minNodes"]) * prices["vmHour"][own["vmSize"]])


def main() -> None:
    """Print the table."""
    sizes = json.loads((FOLDER / "bicep" / "sizes.json").read_text())
    parser = argparse.ArgumentParser(description="What an installation costs in a month.")
    parser.add_argument("--size", choices=sorted(sizes, key=list(sizes).index), help="[all three]")
    parser.add_argument("--registrations", type=int, help=f"in the month [{LOADS}]")
    parser.add_argument("--stored-gb", type=float, help=f"models that are kept [{MODEL_GB} for each registration]")
    parser.add_argument("--cluster", action="store_true", help="with a new AKS cluster")
    parser.add_argument("--private", action="store_true", help="with private endpoints")
    parser.add_argument("--prices", type=Path, default=FOLDER / "prices.json", help="your own list of prices")
    asked = parser.parse_args()
    prices, each = (json.loads(path.read_text()) for path in (asked.prices, FOLDER / "operations.json"))
    columns: dict[str, dict[str, float]] = {}
    for name in [asked.size] if asked.size else sizes:
        load = LOADS[name] if asked.registrations is None else asked.registrations
        stored_gb = load * MODEL_GB if asked.stored_gb is None else asked.stored_gb
        optional = {}
        if asked.cluster:
            optional["AKS"] = cluster(sizes[name], prices)
        if asked.private:
            optional["Private endpoints"] = PRIVATE_ENDPOINTS * prices["privateEndpointHour"] * prices["hoursPerMonth"]
        columns[f"{name} at rest"] = month(sizes[name], prices, each, 0, 0.0) | optional
        columns[f"{name}, {load:,}"] = month(sizes[name], prices, each, load, stored_gb) | optional
    print(f"{prices['currency']} in a month, {prices['region']}, list prices of {prices['asOf']}; with N registrations")
    print(drawn("", columns))
    for service in next(iter(columns.values())):
        print(drawn(service, [f"{column[service]:,.2f}" for column in columns.values()]))
    print(drawn("Sum", [f"{sum(column.values()):,.2f}" for column in columns.values()]))


def drawn(first: str, cells: Iterable[str]) -> str:
    """A line of the table."""
    return first.ljust(20) + "".join(cell.rjust(WIDTH) for cell in cells)


if __name__ == "__main__":
    main()
