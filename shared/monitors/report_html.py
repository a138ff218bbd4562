"""A report as one HTML file: no script, nothing from elsewhere, light and dark, readable without colours; pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from shared.monitors.report_rows import by_weight, history_of, look_first, number
from shared.monitors.report_svg import distribution_svg, history_svg
from shared.resources.monitor_result import (
    INFRASTRUCTURE,
    FeatureResult,
    MetricValue,
    MonitorResult,
    SignalResult,
    Verdict,
)

MAX_PICTURES = 60  # of a signal's features; the others are in its table
_MARKS = {Verdict.BREACHED: "▲", Verdict.HEALTHY: "●", Verdict.NOT_ENOUGH_DATA: "○", Verdict.FAILED: "✕"}
# Okabe and Ito's blue and orange: told apart with every kind of colour blindness.
STYLE = """
:root{color-scheme:light dark;--ground:#fbfaf7;--ink:#23221f;--soft:#6b6963;--line:#dcd9d1;
--before:#0072b2;--now:#d55e00}
@media(prefers-color-scheme:dark){:root{--ground:#191a1c;--ink:#ecebe6;--soft:#a3a19a;--line:#3a3b3e;
--before:#56b4e9;--now:#e69f00}}
body{margin:0 auto;max-width:72rem;padding:2rem 1rem;font:16px/1.5 system-ui,sans-serif;
background:var(--ground);color:var(--ink)}
h1,h2,h3{line-height:1.2;font-weight:600}h2{margin-top:3rem;border-top:1px solid var(--line);padding-top:1.5rem}
p.facts,figcaption,text,.key{color:var(--soft);font-size:.85rem}text{fill:var(--soft);font-size:10px}
.verdict{border:1px solid currentColor;border-radius:1rem;padding:.1rem .7rem;font-size:.9rem;white-space:nowrap}
.Breached{color:var(--now)}.Healthy{color:var(--before)}.Failed,.NotEnoughData{color:var(--soft)}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}.wide{overflow-x:auto}
th,td{text-align:left;padding:.3rem .8rem .3rem 0;border-bottom:1px solid var(--line)}td.n,th.n{text-align:right}
.pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(19rem,1fr));gap:1.5rem;margin-top:1.5rem}figure{margin:0}svg{width:100%}
.baseline{fill:none;stroke:var(--before);stroke-width:1.5}.current{fill:var(--now)}
.line{fill:none;stroke:var(--now);stroke-width:2}.point{fill:var(--now)}
.threshold{stroke:var(--soft);stroke-dasharray:4 3}
"""


def report_html(result: MonitorResult, history: Sequence[MonitorResult] = ()) -> str:
    """The page. `history` are earlier runs, for what changed from run to run."""
    runs = [*(one for one in history if one.run_id != result.run_id), result]
    title = f"{result.monitor}: {result.verdict}"
    facts = [f"run {result.run_id}", result.created_at.isoformat(timespec="seconds"), result.endpoint]
    return "".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>",
            f"<h1>{escape(result.monitor)} {_verdict(result.verdict)}</h1>",
            f'<p class="facts">{escape(" · ".join(fact for fact in facts if fact))}</p>',
            _first(result),
            *(_signal(one, runs) for one in result.signals),
            "</body></html>\n",
        ]
    )


def _verdict(verdict: Verdict) -> str:
    return f'<span class="verdict {verdict}">{_MARKS[verdict]} {verdict}</span>'


def _first(result: MonitorResult) -> str:
    breaches = look_first(result)
    if not breaches:
        return "<p>Nothing is beyond its threshold.</p>"
    items = "".join(f"<li>{escape(f'{one.signal}, {one.text}')}</li>" for one in breaches[:10])
    more = f"<p>{len(breaches) - 10} more are below.</p>" if len(breaches) > 10 else ""
    return f"<h2>What to look at first</h2><ol>{items}</ol>{more}"


def _signal(signal: SignalResult, runs: Sequence[MonitorResult]) -> str:
    counts = signal.counts
    times = [one.isoformat(timespec="minutes") for one in (signal.window_start, signal.window_end) if one]
    is_served = signal.type == INFRASTRUCTURE
    read = [
        f"{counts.rows} rows of {counts.files} files, {counts.sketched_rows} of them from sketches",
        f"{counts.corrupt_lines} corrupt, {counts.duplicate_lines} duplicate lines",
        f"{counts.late_rows} late rows",
    ]
    facts = [
        signal.type,
        *([f"{counts.rows} requests"] if is_served else read),
        " to ".join(times),
        f"against {signal.baseline}" if signal.baseline else "",
    ]
    features = by_weight(signal.features)
    pictures = "".join(_pictures(signal.name, one, runs) for one in features[:MAX_PICTURES])
    pictures += "".join(_histories(signal.name, "", one, runs) for one in signal.metrics)
    key = '<p class="key">Outlined: the baseline. Filled: now.</p>' if features and pictures else ""
    return (
        f"<h2>{escape(signal.name)} {_verdict(signal.verdict)}</h2>"
        f'<p class="facts">{escape(" · ".join(fact for fact in facts if fact))}</p>'
        + (f"<p>{escape(signal.reason)}</p>" if signal.reason else "")
        + _table(signal, features)
        + (f'{key}<div class="pictures">{pictures}</div>' if pictures else "")
    )


def _table(signal: SignalResult, features: Sequence[FeatureResult]) -> str:
    rows = [("the whole signal", metric) for metric in signal.metrics]
    rows += [(feature.name, metric) for feature in features for metric in feature.metrics]
    if not rows:
        return ""
    head = "".join(f'<th class="n">{name}</th>' for name in ("Value", "Threshold", "Adjusted p", "Effect"))
    body = "".join(_row(name, metric) for name, metric in rows)
    return f'<div class="wide"><table><tr><th>Feature</th><th>Metric</th>{head}<th></th></tr>{body}</table></div>'


def _row(name: str, metric: MetricValue) -> str:
    effect = f"{number(metric.effect_size)} {metric.effect}" if metric.effect_size is not None else "–"
    figures = (number(metric.value), number(metric.threshold), number(metric.adjusted_p_value), effect)
    cells = "".join(f'<td class="n">{escape(one)}</td>' for one in figures)
    verdict = f'<td title="{escape(metric.reason)}">{_verdict(metric.verdict)}</td>'
    return f"<tr><td>{escape(name)}</td><td>{escape(metric.metric)}</td>{cells}{verdict}</tr>"


def _pictures(signal: str, feature: FeatureResult, runs: Sequence[MonitorResult]) -> str:
    svg = distribution_svg(feature.name, feature.distribution) if feature.distribution else ""
    return _figure(feature.name, svg) + "".join(_histories(signal, feature.name, one, runs) for one in feature.metrics)


def _histories(signal: str, feature: str, metric: MetricValue, runs: Sequence[MonitorResult]) -> str:
    """The metric from run to run, where it has a threshold."""
    if metric.threshold is None:
        return ""
    label = f"{feature}: {metric.metric}" if feature else metric.metric
    values = history_of(runs, signal, feature, metric.metric)
    return _figure(f"{label} from run to run", history_svg(label, values, metric.threshold))


def _figure(caption: str, svg: str) -> str:
    return f"<figure><figcaption>{escape(caption)}</figcaption>{svg}</figure>" if svg else ""
