"""Whether an object is as it was rendered: fields that others own and add are theirs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

# Lists that server-side apply merges by name (their items are others' as well): sidecars, their variables and volumes.
_BY_NAME = frozenset({"containers", "env", "imagePullSecrets", "ports", "volumeMounts", "volumes"})
_AMOUNTS = frozenset({"averageValue", "limits", "requests", "sizeLimit"})
_QUANTITY = re.compile(r"([0-9.]+(?:[eE][0-9]+)?)(m|k|Ki|[MGTPE]i?)?")
_FACTORS = {
    "m": Decimal("0.001"),
    "k": Decimal(1000),
    "Ki": Decimal(1024),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("MGTPE", 2)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("MGTPE", 2)},
}
_ABSENT = object()


def differences(rendered: Any, live: Any) -> Iterator[tuple[str, Any, Any]]:
    """Every place (a JSON pointer) where `live` is not as `rendered`, with what is there: None for what is not. What
    only `live` has is no difference, but in lists that have one owner."""
    yield from _differences(rendered, live, "", is_amount=False)


def _differences(wanted: Any, live: Any, pointer: str, *, is_amount: bool) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(wanted, dict) and isinstance(live, dict):
        for key, value in wanted.items():
            place = f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
            there = live.get(key, _ABSENT)
            if there is _ABSENT:
                if value not in ({}, []):  # an API server leaves out what is empty
                    yield place, value, None
                continue
            yield from _differences(value, there, place, is_amount=is_amount or key in _AMOUNTS)
    elif isinstance(wanted, list) and isinstance(live, list):
        yield from _list_differences(wanted, live, pointer, is_amount=is_amount)
    elif not _same(wanted, live, is_amount=is_amount):
        yield pointer, wanted, live


def _list_differences(wanted: list[Any], live: list[Any], pointer: str, *, is_amount: bool) -> Iterator[Any]:
    if pointer.rpartition("/")[2] in _BY_NAME and all("name" in each for each in wanted):
        by_name = {each.get("name"): (index, each) for index, each in enumerate(live) if isinstance(each, dict)}
        for item in wanted:
            index, there = by_name.get(item["name"], (None, None))
            place = f"{pointer}/{item['name'] if index is None else index}"
            if there is None:
                yield place, item, None
            else:
                yield from _differences(item, there, place, is_amount=is_amount)
        return
    if len(wanted) != len(live):
        yield pointer, wanted, live
        return
    for index, (item, there) in enumerate(zip(wanted, live, strict=True)):
        yield from _differences(item, there, f"{pointer}/{index}", is_amount=is_amount)


def _same(wanted: Any, live: Any, *, is_amount: bool) -> bool:
    if wanted == live or not is_amount:
        return bool(wanted == live)
    return amount(str(wanted)) == amount(str(live)) is not None


def amount(text: str) -> Decimal | None:
    """The value of a Kubernetes quantity, which API servers write in their own way; None for something else."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        return None
    try:
        return Decimal(match[1]) * _FACTORS.get(match[2] or "", Decimal(1))
    except InvalidOperation:
        return None
