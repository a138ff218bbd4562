"""The result of an optimisation as text for people."""

from __future__ import annotations

from shared.resources.optimization import Interval, OptimizationResult, VariantResult


def table_of(result: OptimizationResult) -> str:
    """A line for each variant, the rows that differ, and the reason of the choice."""
    counts = sorted({latency.rows for one in result.variants for latency in one.latencies})
    head = ("variant", "bytes", "verified", *(f"{count:,} rows" for count in counts), "gain")
    lines = [head, *(_line(one, counts, result) for one in result.variants)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
    drawn = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([*drawn, *_refused(result), "", result.reason])


def _line(one: VariantResult, counts: list[int], result: OptimizationResult) -> tuple[str, ...]:
    gains = {latency.rows: _gain(latency.gain) for latency in one.latencies}
    mark = f"{one.variant} *" if one.variant == result.best else str(one.variant)
    verified = "yes" if one.verified else "no"
    return (mark, f"{one.size_bytes:,}", verified, *(gains.get(count, "") for count in counts), _gain(one.gain))


def _gain(gain: Interval | None) -> str:
    return f"{gain.value:.2f}x ({gain.low:.2f}-{gain.high:.2f})" if gain else ""


def _refused(result: OptimizationResult) -> list[str]:
    lines = []
    for one in result.variants:
        if one.verified:
            continue
        lines += ["", f"{one.variant}: {one.reason}"]
        lines += [f"  row {each.row}, {each.output}: {each.got} instead of {each.expected}" for each in one.differing]
    return lines
