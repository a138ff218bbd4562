"""The hash chain of a history: what is changed, left out, put in or cut off shows."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.resources.base import HistoryRecord
from shared.resources.chain import breaks, chained
from tests.contract.resource_samples import history, resource

MODEL = resource("m", "1")


def chain(length: int) -> list[HistoryRecord]:
    records: list[HistoryRecord] = []
    for revision in range(1, length + 1):
        records.append(chained(history(MODEL, revision), records[-1].hash if records else ""))
    return records


def test_an_untouched_chain_has_no_breaks() -> None:
    records = chain(5)
    assert breaks(records, last_hash=records[-1].hash) == []
    assert breaks([]) == []
    assert breaks([], last_hash="") == []


@given(st.integers(0, 4), st.sampled_from(["changes", "actor", "time", "drop", "swap", "double"]))
def test_whatever_is_done_to_one_record_shows(index: int, how: str) -> None:
    records = chain(5)
    last = records[-1].hash
    one = records[index]
    altered: dict[str, Any] = {
        "changes": {"changes": {"tags": {"owner": "mallory"}}},
        "actor": {"cause": one.cause.model_copy(update={"actor": "mallory"})},
        "time": {"time": one.time.replace(year=2020)},
    }
    if how in altered:
        records[index] = one.model_copy(update=altered[how])
    elif how == "drop":
        del records[index]
    elif how == "swap":
        other = (index + 1) % 5
        records[index], records[other] = records[other], records[index]
    else:
        records.insert(index, one)
    assert breaks(records, last_hash=last) != []


def test_a_cut_off_end_and_a_history_that_is_gone_show_by_what_the_resource_says() -> None:
    records = chain(3)
    assert breaks(records[:2]) == []
    assert breaks(records[:2], last_hash=records[-1].hash) != []
    assert breaks([], last_hash=records[-1].hash) != []
