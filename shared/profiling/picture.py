"""Latency by load as a picture: an SVG file by itself, light or dark as the reader's system is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, floor, log10
from xml.sax.saxutils import escape

from shared.resources.profile import LoadPoint, ProfileResult

WIDTH, HEIGHT = 720.0, 400.0
LEFT, RIGHT, TOP, BOTTOM = 70.0, 96.0, 56.0, 52.0
NAME_GAP = 14.0  # px between the names of two lines
_LINES = (("p50", "50"), ("p95", "95"), ("p99", "99"))
_COLORS = {  # class: light, dark
    "paper": ("#ffffff", "#0d1117"),
    "quiet": ("#59636e", "#9198a1"),
    "title": ("#1f2328", "#f0f6fc"),
    "grid": ("#d1d9e0", "#3d444d"),
    "p50": ("#1a7f37", "#3fb950"),
    "p95": ("#9a6700", "#d29922"),
    "p99": ("#0969da", "#4493f8"),
    "target": ("#cf222e", "#f85149"),
}
_SHAPES = """
text { font: 12px system-ui, "Segoe UI", "Helvetica Neue", "DejaVu Sans", sans-serif; }
text.title { font-size: 14px; font-weight: 600; }
path { fill: none; stroke-width: 2; }
line.target { stroke-width: 1.5; stroke-dasharray: 6 4; }
circle.target { stroke-width: 2; }
"""


def _style() -> str:
    """Plain rules for both schemes: not every reader of SVG knows CSS variables."""

    def rules(scheme: int) -> str:
        lines = []
        for name, colors in _COLORS.items():
            color = colors[scheme]
            lines.append(f"rect.{name}, text.{name}, circle.{name} {{ fill: {color}; }}")
            lines.append(f"line.{name}, path.{name} {{ stroke: {color}; }}")
        paper, ring = _COLORS["paper"][scheme], _COLORS["target"][scheme]
        return "\n".join([*lines, f"circle.target {{ fill: {paper}; stroke: {ring}; }}"])

    return f"{_SHAPES}{rules(0)}\n@media (prefers-color-scheme: dark) {{\n{rules(1)}\n}}\n"


def svg(result: ProfileResult) -> str:
    """The picture: both axes logarithmic, one dot for each measurement with the recommended CPU, rings where the server
    was overloaded, the target as a dashed line. Without a recommendation it says so. No scripts, nothing from
    elsewhere."""
    points = [point for point in result.curve() if point.latency_percentile_50_in_ms > 0]
    title = _title(result)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{WIDTH:.0f}" height="{HEIGHT:.0f}" '
        f'viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}">'
    )
    parts = [
        head,
        f"<title>{escape(title)}</title>",
        f"<style>{_style()}</style>",
        '<rect class="paper" width="100%" height="100%"/>',
        f'<text class="title" x="{LEFT:.0f}" y="30">{escape(title)}</text>',
    ]
    parts += (
        _chart(points, result)
        if points
        else [f'<text class="quiet" x="{LEFT:.0f}" y="60">There is nothing to draw.</text>']
    )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _title(result: ProfileResult) -> str:
    what = f" of {result.name}" if result.name else ""
    if result.recommended_cpu is None:
        return f"Latency by load{what}: no recommendation"
    return f"Latency by load{what} with {result.recommended_cpu:g} CPU, {result.recommended_memory_in_gb:g} GB"


def _chart(points: Sequence[LoadPoint], result: ProfileResult) -> list[str]:
    rates = [point.offered_queries_per_second for point in points]
    latencies = [value for point in points for value in (_latency(point, "50"), _latency(point, "99"))]
    target = result.target_latency_percentile_99_in_ms
    x_range = _decade_part(min(rates) / 1.2), _decade_part(max(rates) * 1.1, up=True)
    lowest, highest = min([*latencies, *([target] if target else [])]), max([*latencies, *([target] if target else [])])
    y_range = _decade_part(lowest / 1.1), _decade_part(highest * 1.1, up=True)
    x = _scale(x_range, LEFT, WIDTH - RIGHT)
    y = _scale(y_range, HEIGHT - BOTTOM, TOP)
    parts = [*_axis_x(x, x_range), *_axis_y(y, y_range)]
    if target:
        parts.append(_segment("target", LEFT, y(target), WIDTH - RIGHT, y(target)))
        parts.append(f'<text class="target" x="{LEFT + 6:.0f}" y="{y(target) - 6:.1f}">target {target:g} ms</text>')
    for name, field in _LINES:
        parts += _line(points, name, field, x, y)
    return parts + _names(points[-1], x(points[-1].offered_queries_per_second) + 10, y)


def _names(last: LoadPoint, left: float, y: Callable[[float], float]) -> list[str]:
    """The names of the lines at their right ends, moved apart where the lines are close."""
    parts, above = [], HEIGHT
    for name, field in _LINES:
        above = min(y(_latency(last, field)) + 4, above - NAME_GAP)
        parts.append(f'<text class="{name}" x="{left:.1f}" y="{above:.1f}">{name}</text>')
    return parts


def _line(
    points: Sequence[LoadPoint], name: str, field: str, x: Callable[[float], float], y: Callable[[float], float]
) -> list[str]:
    by_rate: dict[float, list[float]] = {}
    for point in points:
        by_rate.setdefault(point.offered_queries_per_second, []).append(_latency(point, field))
    middles = [(x(rate), y(sorted(found)[len(found) // 2])) for rate, found in by_rate.items()]
    path = " ".join(f"{'L' if index else 'M'}{left:.1f} {top:.1f}" for index, (left, top) in enumerate(middles))
    dots = [
        f'<circle class="{"target" if point.overloaded else name}" r="3" '
        f'cx="{x(point.offered_queries_per_second):.1f}" cy="{y(_latency(point, field)):.1f}"/>'
        for point in points
    ]
    return [f'<path class="{name}" d="{path}"/>', *dots]


def _axis_x(x: Callable[[float], float], bounds: tuple[float, float]) -> list[str]:
    parts, bottom = [], HEIGHT - BOTTOM
    for tick in _ticks(*bounds):
        parts.append(_segment("grid", x(tick), TOP, x(tick), bottom))
        parts.append(
            f'<text class="quiet" x="{x(tick):.1f}" y="{bottom + 18:.0f}" text-anchor="middle">{tick:,g}</text>'
        )
    middle = (LEFT + WIDTH - RIGHT) / 2
    return [
        *parts,
        f'<text class="quiet" x="{middle:.0f}" y="{HEIGHT - 12:.0f}" text-anchor="middle">requests per second</text>',
    ]


def _axis_y(y: Callable[[float], float], bounds: tuple[float, float]) -> list[str]:
    parts = []
    for tick in _ticks(*bounds):
        parts.append(_segment("grid", LEFT, y(tick), WIDTH - RIGHT, y(tick)))
        parts.append(
            f'<text class="quiet" x="{LEFT - 8:.0f}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:,g} ms</text>'
        )
    return parts


def _segment(name: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{name}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _latency(point: LoadPoint, field: str) -> float:
    return max(1e-3, float(getattr(point, f"latency_percentile_{field}_in_ms")))


def _scale(bounds: tuple[float, float], first: float, last: float) -> Callable[[float], float]:
    low, high = log10(bounds[0]), log10(bounds[1])
    return lambda value: first + (log10(value) - low) / (high - low) * (last - first)


def _decade_part(value: float, *, up: bool = False) -> float:
    """The next of 1, 2 and 5 times a power of ten, below or above."""
    decade = 10.0 ** floor(log10(value))
    steps = [decade * part for part in (1, 2, 5, 10)]
    return next(step for step in steps if step >= value) if up else max(step for step in steps if step <= value)


def _ticks(low: float, high: float) -> list[float]:
    decades = range(floor(log10(low)), ceil(log10(high)) + 1)
    parts = (1, 2, 5) if log10(high / low) < 3 else (1,)
    ticks = [part * 10.0**decade for decade in decades for part in parts]
    return [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]
