"""What requests are said to cost, by stated rules, and the throughput that an account was given.

Source of the rules: "Request Units in Azure Cosmos DB" (a point read of 1 KB costs 1 RU, of 100 KB 10 RU; a write of
1 KB without indexes about 5 RU, of 100 KB about 50). What an indexed value adds and what a query costs are estimates.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

KIB = 1024
READ_RU, READ_RU_PER_FURTHER_KIB = 1.0, 0.09
WRITE_RU, WRITE_RU_PER_FURTHER_KIB = 5.0, 0.45
INDEXED_VALUE_RU = 0.3  # Slipway indexes about nine values of a document
INDEXED_VALUES = 9
QUERY_RU, QUERY_RU_PER_KIB = 2.8, 0.35
WRITES = {"item.create", "item.upsert", "item.replace", "item.patch", "item.delete"}


def charge_of(operation: str, documents: int, sent_bytes: int, answered_bytes: int) -> float:
    """The request units of a request; `documents` are the operations of a batch, else 1."""
    if operation == "query":
        return QUERY_RU + QUERY_RU_PER_KIB * math.ceil(answered_bytes / KIB)
    if operation in WRITES or operation == "batch":
        further_kib = max(0, math.ceil(sent_bytes / KIB) - documents)
        each = WRITE_RU + INDEXED_VALUES * INDEXED_VALUE_RU
        return documents * each + WRITE_RU_PER_FURTHER_KIB * further_kib
    if operation == "item.read":
        return READ_RU + READ_RU_PER_FURTHER_KIB * max(0, math.ceil(answered_bytes / KIB) - 1)
    return 0.0  # accounts, ranges and query plans are not charged


@dataclass(slots=True)
class Throughput:
    """Request units that may be used in each second; what comes when they are used up is told to come again."""

    ru_per_s: float
    second: int = 0
    used_ru: float = 0.0

    def wait_ms(self) -> float:
        """0 when there is room now, else milliseconds until the next second."""
        now = time.time()
        if int(now) != self.second:  # what went over the limit is paid in the seconds that follow
            passed = int(now) - self.second
            self.second, self.used_ru = int(now), max(0.0, self.used_ru - passed * self.ru_per_s)
        return 0.0 if self.used_ru < self.ru_per_s else max(1.0, (math.ceil(now + 1e-6) - now) * 1000)
