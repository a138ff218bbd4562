"""A report as Markdown, for comments and terminals; pure."""

from __future__ import annotations

from shared.monitors.report_rows import by_weight, look_first, number
from shared.resources.monitor_result import INFRASTRUCTURE, MonitorResult, SignalResult


def report_markdown(result: MonitorResult) -> str:
    """What to look at first, then a table a signal."""
    lines = [f"# {_plain(result.monitor)}: {result.verdict}", "", f"Run {_plain(result.run_id)}, {result.created_at}"]
    if breaches := look_first(result):
        lines += ["", "What to look at first:", ""]
        lines += [f"{place}. {_plain(f'{one.signal}, {one.text}')}" for place, one in enumerate(breaches[:10], 1)]
    for signal in result.signals:
        lines += ["", *_signal(signal)]
    return "\n".join(lines) + "\n"


def _signal(signal: SignalResult) -> list[str]:
    lines = [f"## {_plain(signal.name)}: {signal.verdict}", "", _plain(signal.reason) or _counted(signal)]
    rows = [("the whole signal", metric) for metric in signal.metrics]
    rows += [(feature.name, metric) for feature in by_weight(signal.features) for metric in feature.metrics]
    if not rows:
        return lines
    lines += ["", "| Feature | Metric | Value | Threshold | Verdict |", "| --- | --- | ---: | ---: | --- |"]
    return lines + [
        f"| {_plain(name)} | {_plain(m.metric)} | {number(m.value)} | {number(m.threshold)} | {m.verdict} |"
        for name, m in rows
    ]


def _counted(signal: SignalResult) -> str:
    return f"{signal.counts.rows} {'requests' if signal.type == INFRASTRUCTURE else 'rows'}"


def _plain(text: str) -> str:
    """Without what Markdown or HTML would make of it."""
    for mark in "\\`*_[]<>|#":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())
