"""The forms of a comparison: a table and JSON; Markdown and a page of HTML are those of monitors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shared.cli.output import table
from shared.resources.monitor_result import (
    INFRASTRUCTURE,
    FeatureResult,
    MetricValue,
    MonitorResult,
    SignalResult,
    Verdict,
)

SERVED = ("metric", "value", "unit", "threshold", "verdict")  # headings of signals that read no data
HEADINGS = ("feature", "type", "metric", "value", "threshold", "adjusted p", "verdict")
_ORDER = {Verdict.BREACHED: 0, Verdict.FAILED: 1, Verdict.NOT_ENOUGH_DATA: 2, Verdict.HEALTHY: 3}


def as_table(result: MonitorResult) -> str:
    """A line for each metric that has a threshold, drift first, and what follows in a line."""
    parts = []
    for signal in result.signals:
        if signal.type == INFRASTRUCTURE:
            parts += [_served(signal), ""]
            continue
        parts += [
            table(HEADINGS, _rows(signal), empty=signal.reason or "no feature was compared"),
            "",
            summary(signal),
            "",
        ]
        parts += [
            f"{one.metric}: {_number(one.value)} {one.verdict}" for one in signal.metrics if one.threshold is not None
        ]
    return "\n".join(parts).rstrip("\n") + "\n"


def _served(signal: SignalResult) -> str:
    """How a deployment served: all metrics, and how many requests they are of."""
    rows = [(one.metric, _number(one.value), one.unit, _number(one.threshold), _verdict(one)) for one in signal.metrics]
    shown = table(SERVED, rows, empty=signal.reason or "nothing was counted")
    return f"{shown}\n\n{signal.counts.rows:,} requests" if rows else shown


def as_json(result: MonitorResult) -> str:
    """The whole result."""
    return result.model_dump_json(indent=2) + "\n"


def as_markdown(result: MonitorResult) -> str:
    """The report of a monitor's run, for a comment."""
    from shared.monitors.report_markdown import report_markdown

    return report_markdown(result)


def as_html(result: MonitorResult) -> str:
    """The report of a monitor's run, as a page."""
    from shared.monitors.report_html import report_html

    return report_html(result)


def summary(signal: SignalResult) -> str:
    """How many features moved, of how many that could be judged."""
    count = {verdict: sum(one.verdict is verdict for one in signal.features) for verdict in Verdict}
    compared = count[Verdict.BREACHED] + count[Verdict.HEALTHY]
    said = f"{count[Verdict.BREACHED]} of {compared} features beyond a threshold"
    few = f", {count[Verdict.NOT_ENOUGH_DATA]} with too few values" if count[Verdict.NOT_ENOUGH_DATA] else ""
    failed = f", {count[Verdict.FAILED]} not comparable" if count[Verdict.FAILED] else ""
    counts = signal.counts
    from_sketches = f", {counts.sketched_rows:,} of them from sketches" if counts.sketched_rows else ""
    return f"{said}{few}{failed}; {counts.rows:,} rows{from_sketches}"


def _rows(signal: SignalResult) -> list[Sequence[str]]:
    found = []
    for feature in sorted(signal.features, key=lambda one: _ORDER[one.verdict]):
        found += [_row(feature, metric) for metric in _told(feature)]
    return found


def _told(feature: FeatureResult) -> Iterator[MetricValue]:
    """Metrics with a threshold; the first one where none has."""
    judged = [metric for metric in feature.metrics if metric.threshold is not None]
    yield from judged or feature.metrics[:1]


def _row(feature: FeatureResult, metric: MetricValue) -> Sequence[str]:
    cells = (_number(metric.value), _number(metric.threshold), _number(metric.adjusted_p_value), _verdict(metric))
    return (feature.name, feature.type, metric.metric, *cells)


def _verdict(metric: MetricValue) -> str:
    unsaid = metric.verdict in (Verdict.FAILED, Verdict.NOT_ENOUGH_DATA)
    return f"{metric.verdict}: {metric.reason}" if unsaid else str(metric.verdict)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


FORMS = {"table": as_table, "json": as_json, "markdown": as_markdown, "html": as_html}
