"""Pictures of a report, as SVG in the page's own colours; pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from shared.resources.monitor_result import Distribution

WIDTH, HEIGHT, LABELS = 320, 120, 14
MAX_BARS = 24  # of categories; the others are one bar


def distribution_svg(name: str, found: Distribution) -> str:
    """Baseline and current side by side in common bins; "" where there are none. The two differ in brightness as well
    as in hue, and the baseline's bars are only outlined: it reads without colours, too."""
    labels, baseline, current = _bars(found)
    if not labels:
        return ""
    top = max(*baseline, *current, 1e-12)
    step = WIDTH / len(labels)
    parts = [_open(f"{name}: how it was distributed at the baseline and now")]
    for number, (label, before, now) in enumerate(zip(labels, baseline, current, strict=True)):
        for kind, share, shift in (("baseline", before, 0.08), ("current", now, 0.5)):
            height = HEIGHT * share / top
            tip = f"<title>{escape(label)}: {kind} {share:.1%}</title>"
            parts.append(
                f'<rect class="{kind}" x="{step * (number + shift):.1f}" y="{HEIGHT - height:.1f}" '
                f'width="{step * 0.4:.1f}" height="{height:.1f}">{tip}</rect>'
            )
    parts.append(f'<text x="0" y="{HEIGHT + LABELS - 2}">{escape(labels[0][:24])}</text>')
    if len(labels) > 1:
        last = escape(labels[-1][:24])
        parts.append(f'<text x="{WIDTH}" y="{HEIGHT + LABELS - 2}" text-anchor="end">{last}</text>')
    return "".join([*parts, "</svg>"])


def _bars(found: Distribution) -> tuple[list[str], list[float], list[float]]:
    if found.edges:
        labels = [f"{low:.4g} to {high:.4g}" for low, high in zip(found.edges, found.edges[1:], strict=False)]
        return labels, found.baseline, found.current
    labels, baseline, current = list(found.categories), list(found.baseline), list(found.current)
    if len(labels) > MAX_BARS:
        kept = MAX_BARS - 1
        labels = [*labels[:kept], f"{len(labels) - kept} others"]
        baseline, current = ([*side[:kept], sum(side[kept:])] for side in (baseline, current))
    return labels, baseline, current


def history_svg(name: str, values: Sequence[tuple[str, float]], threshold: float | None) -> str:
    """A metric from run to run, the oldest first, with its threshold; "" for fewer than two runs."""
    if len(values) < 2:
        return ""
    top = max([value for _, value in values] + ([threshold] if threshold is not None else []) + [1e-12])
    step = WIDTH / (len(values) - 1)
    points = [(step * number, HEIGHT * (1 - max(value, 0.0) / top)) for number, (_, value) in enumerate(values)]
    parts = [_open(f"{name}: from run to run")]
    if threshold is not None:
        y = HEIGHT * (1 - threshold / top)
        parts.append(f'<line class="threshold" x1="0" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    parts.append(f'<polyline class="line" points="{line}"/>')
    for (x, y), (when, value) in zip(points, values, strict=True):
        tip = f"<title>{escape(when)}: {value:.4g}</title>"
        parts.append(f'<circle class="point" cx="{x:.1f}" cy="{y:.1f}" r="3">{tip}</circle>')
    ends = ((0, "", values[0][0]), (WIDTH, ' text-anchor="end"', values[-1][0]))
    parts += [f'<text x="{x}" y="{HEIGHT + LABELS - 2}"{anchor}>{escape(text)}</text>' for x, anchor, text in ends]
    return "".join([*parts, "</svg>"])


def _open(label: str) -> str:
    return f'<svg role="img" aria-label="{escape(label)}" viewBox="-4 -4 {WIDTH + 8} {HEIGHT + LABELS + 8}">'
