"""Figures as Prometheus reads them."""

from __future__ import annotations

from shared.router.metrics import BOUNDS_S, Figures, Table, add_figures


def test_the_text_counts_by_deployment_and_its_buckets_add_up() -> None:
    blue, green = Figures(), Figures()
    for seconds in (0.0001, 0.02, 0.02, 500.0):
        blue.live.count(200, seconds)
    blue.live.count(503, 0.02)
    blue.live.count(408, 5.0, failed=True)
    green.mirror.count(200, 0.1)
    green.touch()
    table = Table()
    add_figures(table, {"blue": blue, "green": green}.items())
    text = table.text().decode()
    lines = text.splitlines()
    assert 'slipway_router_requests_total{deployment="blue",traffic="live",code="200"} 4' in lines
    assert 'slipway_router_errors_total{deployment="blue",traffic="live"} 2' in lines
    assert 'slipway_router_request_seconds_count{deployment="blue",traffic="live"} 6' in lines
    assert 'slipway_router_request_seconds_count{deployment="green",traffic="mirror"} 1' in lines
    assert 'slipway_router_request_seconds_bucket{deployment="blue",traffic="live",le="+Inf"} 6' in lines
    assert 'slipway_router_request_seconds_bucket{deployment="blue",traffic="live",le="0.0005"} 1' in lines
    buckets = [line for line in lines if line.startswith('slipway_router_request_seconds_bucket{deployment="blue",tr')]
    assert len(buckets) == 2 * (len(BOUNDS_S) + 1)
    assert sum(line.startswith("# TYPE slipway_router_request_seconds ") for line in lines) == 1
    stamp = next(line for line in lines if "last_request" in line and "green" in line)
    assert float(stamp.split(" ")[1]) == round(green.last_request_s)
