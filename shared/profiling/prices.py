"""What CPU and memory cost in a month, by a table that can be replaced. The packaged one holds example prices."""

from __future__ import annotations

import json
from math import ceil
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from shared.errors import Fault, Invalid
from shared.resources.profile import PriceEstimate

PACKAGED = Path(__file__).with_name("prices.json")
EXAMPLE = "example price, replace"  # told wherever a price of the packaged table is shown


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True, frozen=True)


class Resources(_Row):
    """Paid by what is asked for, in steps."""

    kind: Literal["resources"]
    name: str
    per_cpu_hour: float = Field(ge=0)
    per_gb_hour: float = Field(ge=0)
    cpu_step: float = Field(gt=0)  # cores
    memory_step_gb: float = Field(gt=0)

    def hourly(self, cpu: float, memory_gb: float) -> tuple[float, str] | None:
        """The price of an hour, and for what."""
        cpus, gbs = _stepped(cpu, self.cpu_step), _stepped(memory_gb, self.memory_step_gb)
        return cpus * self.per_cpu_hour + gbs * self.per_gb_hour, f"{cpus:g} CPU and {gbs:g} GB"


class Share(_Row):
    """A part of a node that others share: the larger of its parts of CPU and memory."""

    kind: Literal["share"]
    name: str
    per_hour: float = Field(ge=0)
    cpu: float = Field(gt=0)  # cores of the node
    memory_gb: float = Field(gt=0)  # of the node

    def hourly(self, cpu: float, memory_gb: float) -> tuple[float, str] | None:
        """The price of an hour, and for what; None when it does not fit on the node."""
        share = max(cpu / self.cpu, memory_gb / self.memory_gb)
        return (share * self.per_hour, f"{share:.1%} of a node") if share <= 1 else None


class Instance(_Row):
    """A whole machine."""

    kind: Literal["instance"]
    name: str
    per_hour: float = Field(ge=0)
    cpu: float = Field(gt=0)  # cores it has
    memory_gb: float = Field(gt=0)  # it has

    def hourly(self, cpu: float, memory_gb: float) -> tuple[float, str] | None:
        """The price of an hour, and for what; None when it is too small."""
        fits = cpu <= self.cpu and memory_gb <= self.memory_gb
        return (self.per_hour, f"an instance of {self.cpu:g} CPU and {self.memory_gb:g} GB") if fits else None


class PriceTable(_Row):
    """Prices of one currency."""

    source: str  # where they are from
    is_example: bool = False  # whether they only show the form: nobody read them from a price list
    currency: str
    hours_per_month: float = Field(gt=0)
    targets: list[Annotated[Resources | Share | Instance, Field(discriminator="kind")]]


def read_prices(path: Path = PACKAGED) -> PriceTable:
    """The table in a JSON file. Raises Invalid, with all that is wrong, when it is none."""
    try:
        return PriceTable.model_validate(json.loads(path.read_bytes()))
    except ValidationError as error:
        faults = tuple(
            Fault(each["msg"], "".join(f"/{part}" for part in each["loc"]), file=path.name) for each in error.errors()
        )
        raise Invalid(f"{path.name} is no table of prices", faults=faults) from error
    except (OSError, ValueError) as error:
        raise Invalid(f"{path.name} cannot be read as a table of prices: {error}") from error


def estimates(table: PriceTable, cpu: float, memory_gb: float) -> list[PriceEstimate]:
    """What one replica with this CPU (cores) and memory (GB) costs at each target that can hold it, cheapest first; []
    when none can."""
    found = []
    for target in table.targets:
        if (hourly := target.hourly(cpu, memory_gb)) is not None:
            price = round(hourly[0] * table.hours_per_month, 2)
            estimate = PriceEstimate(
                target=target.name,
                monthly_price=price,
                currency=table.currency,
                basis=hourly[1],
                is_example=table.is_example,
            )
            found.append(estimate)
    return sorted(found, key=lambda each: (each.monthly_price, each.target))


def _stepped(value: float, step: float) -> float:
    return ceil(round(value / step, 9)) * step
