"""The forms of a comparison: a table, JSON, Markdown, and a page of HTML without scripts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from shared.cli.output import table
from shared.resources.monitor_result import (
    Distribution,
    FeatureResult,
    MetricValue,
    MonitorResult,
    SignalResult,
    Verdict,
)

HEADINGS = ("feature", "type", "metric", "value", "threshold", "adjusted p", "verdict")
_ORDER = {Verdict.BREACHED: 0, Verdict.FAILED: 1, Verdict.NOT_ENOUGH_DATA: 2, Verdict.HEALTHY: 3}


def as_table(result: MonitorResult) -> str:
    """A line for each metric that has a threshold, drift first, and what follows in a line."""
    parts = []
    for signal in result.signals:
        parts += [table(HEADINGS, _rows(signal), empty="no feature was compared"), "", summary(signal), ""]
        parts += [
            f"{one.metric}: {_number(one.value)} {one.verdict}" for one in signal.metrics if one.threshold is not None
        ]
    return "\n".join(parts).rstrip("\n") + "\n"


def as_json(result: MonitorResult) -> str:
    """The whole result."""
    return result.model_dump_json(indent=2) + "\n"


def as_markdown(result: MonitorResult) -> str:
    """As the table, for a pull request or a wiki."""
    parts = []
    for signal in result.signals:
        parts += [f"### {signal.name}: {signal.verdict}", "", summary(signal), ""]
        lines = [HEADINGS, ["---"] * len(HEADINGS), *_rows(signal)]
        parts += ["| " + " | ".join(_markdown(cell) for cell in line) + " |" for line in lines] + [""]
    return "\n".join(parts)


def _markdown(cell: str) -> str:
    return " ".join(cell.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def summary(signal: SignalResult) -> str:
    """How many features moved, of how many that could be judged."""
    count = {verdict: sum(one.verdict is verdict for one in signal.features) for verdict in Verdict}
    compared = count[Verdict.BREACHED] + count[Verdict.HEALTHY]
    said = f"{count[Verdict.BREACHED]} of {compared} features beyond a threshold"
    few = f", {count[Verdict.NOT_ENOUGH_DATA]} with too few values" if count[Verdict.NOT_ENOUGH_DATA] else ""
    failed = f", {count[Verdict.FAILED]} not comparable" if count[Verdict.FAILED] else ""
    return f"{said}{few}{failed}; {signal.counts.rows:,} rows"


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
    verdict = str(metric.verdict)
    if metric.verdict in (Verdict.FAILED, Verdict.NOT_ENOUGH_DATA):
        verdict = f"{verdict}: {metric.reason}"
    cells = (_number(metric.value), _number(metric.threshold), _number(metric.adjusted_p_value), verdict)
    return (feature.name, feature.type, metric.metric, *cells)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


_STYLE = """
:root{color-scheme:light dark;--b:#4477aa;--c:#ee7733;font:15px system-ui,sans-serif}
body{max-width:70rem;margin:2rem auto;padding:0 1rem}table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #8886}td.n{text-align:right}
.Breached{font-weight:700}.key i{display:inline-block;width:.8em;height:.8em;margin:0 .3em 0 1em}
"""


def as_html(result: MonitorResult) -> str:
    """One page, with the distributions side by side; nothing is fetched."""
    body = "".join(_section(signal) for signal in result.signals)
    key = '<p class="key"><i style="background:var(--b)"></i>baseline<i style="background:var(--c)"></i>current</p>'
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Drift</title><style>{_STYLE}</style>'
        f"<body><h1>Drift: {result.verdict}</h1>{key}{body}</body></html>\n"
    )


def _section(signal: SignalResult) -> str:
    head = "".join(f"<th>{name}</th>" for name in (*HEADINGS, "distribution"))
    rows = []
    for feature in sorted(signal.features, key=lambda one: _ORDER[one.verdict]):
        for place, metric in enumerate(_told(feature)):
            cells = "".join(f"<td>{escape(cell)}</td>" for cell in _row(feature, metric))
            picture = _picture(feature.distribution) if place == 0 and feature.distribution else ""
            rows.append(f'<tr class="{metric.verdict}">{cells}<td>{picture}</td></tr>')
    return (
        f"<h2>{escape(signal.name)}</h2><p>{escape(summary(signal))}</p><table><tr>{head}</tr>{''.join(rows)}</table>"
    )


def _picture(shown: Distribution) -> str:
    """Two bars a bin, as high as its share."""
    pairs = list(zip(shown.baseline, shown.current, strict=True))
    highest = max((max(pair) for pair in pairs), default=0.0) or 1.0
    width = 160 / max(1, len(pairs))
    bars = []
    for place, pair in enumerate(pairs):
        for side, (share, colour) in enumerate(zip(pair, ("--b", "--c"), strict=True)):
            high, x = 40 * share / highest, place * width + side * width * 0.45
            where = f'x="{x:.1f}" y="{40 - high:.1f}" width="{width * 0.42:.1f}" height="{high:.1f}"'
            bars.append(f'<rect {where} fill="var({colour})"/>')
    return f'<svg width="160" height="40" role="img" aria-label="shares of the bins">{"".join(bars)}</svg>'


FORMS = {"table": as_table, "json": as_json, "markdown": as_markdown, "html": as_html}
