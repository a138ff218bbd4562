"""The calculator of infra/cost.py: every size has its prices, and other prices change what it says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.infra.bicep_files import ROOT

SIZES = ("dev", "team", "enterprise")


def columns(*arguments: str) -> dict[str, list[float]]:
    """The figures of each service, in columns."""
    command = [sys.executable, str(ROOT / "infra" / "cost.py"), *arguments]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()[2:]
    cells = [re.split(r"\s{2,}", line.strip()) for line in said]
    return {name: [float(cell.replace(",", "")) for cell in figures] for name, *figures in cells}


@pytest.mark.parametrize("size", SIZES)
def test_each_size_is_the_sum_of_its_services_and_grows_with_its_load(size: str) -> None:
    found = columns("--size", size, "--registrations", "2000000", "--cluster", "--private")
    at_rest, at_load = found.pop("Sum")
    assert sum(each[0] for each in found.values()) == pytest.approx(at_rest, abs=0.05)
    assert sum(each[1] for each in found.values()) == pytest.approx(at_load, abs=0.05)
    assert all(loaded >= resting for resting, loaded in found.values())
    assert at_load > at_rest > 0


def test_a_list_of_prices_can_be_replaced(tmp_path: Path) -> None:
    prices = json.loads((ROOT / "infra" / "prices.json").read_text())
    prices["registryMonth"]["Basic"] += 100
    (tmp_path / "mine.json").write_text(json.dumps(prices))
    plain, mine = (columns("--size", "dev", *more)["Sum"] for more in ((), ("--prices", str(tmp_path / "mine.json"))))
    assert [after - before for before, after in zip(plain, mine, strict=True)] == pytest.approx([100, 100])


def test_the_list_says_when_and_where_it_held() -> None:
    prices = json.loads((ROOT / "infra" / "prices.json").read_text())
    assert re.fullmatch(r"\d{4}-\d{2}", prices["asOf"])
    assert prices["region"]
    assert "Replace" in prices["source"]
