"""Whatever is declared one after another: devices go from what ran to what is declared, and never by way of another."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count as counter

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.deployment_targets.iot_edge.changes import Delete, Put, base_changes, changes, removal
from shared.deployment_targets.iot_edge.configurations import LiveConfiguration, live_configuration
from shared.deployment_targets.iot_edge.render import base, layers, rest_of
from shared.ports import DesiredEndpoint
from tests.doubles.iot_hub_devices import Device, Stored, act, count, tell
from tests.unit.iot_edge.samples import devices
from tests.unit.kubernetes.samples import deployment, endpoint

COMPUTE = devices(success_percent=100)
NAMES = ("blue", "green", "red")


class Hub:
    """The rules of one, without its network; every write is a moment later than the one before."""

    def __init__(self, *, counts_covered: bool) -> None:
        rings = [Device(f"d{ring:02}", {"site": "north", "ring": ring}) for ring in range(0, 100, 10)]
        self.devices = [*rings, Device("untagged", {"site": "north"})]
        self.stored: dict[str, Stored] = {}
        self._counts_covered = counts_covered
        self._versions = counter(1)
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def there(self, name: str) -> dict[str, LiveConfiguration]:
        count(self.stored, self.devices)
        found = {}
        for id_, one in self.stored.items():
            results = one.results
            live = live_configuration(
                {
                    **one.document,
                    "etag": str(one.version),
                    "createdTimeUtc": one.created_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                    "lastUpdatedTimeUtc": one.updated_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                    "metrics": {**one.document["metrics"], "results": results["own"]},
                    "systemMetrics": {"results": results["system"]},
                }
            )
            if live.configuration.labels.get("slipwayEndpoint", "") == name:
                found[id_] = live
        return found

    def do(self, step: Put | Delete) -> None:
        """One write, and what devices make of it."""
        self.now += timedelta(hours=1)
        match step:
            case Delete(there):
                del self.stored[there.configuration.id]
            case Put(one, None):
                assert one.id not in self.stored
                self.stored[one.id] = Stored(one.document(), self.now, self.now, next(self._versions))
            case Put(one, _):
                stored = self.stored[one.id]
                assert stored.document["content"] == one.document()["content"]
                stored.document, stored.updated_at, stored.version = one.document(), self.now, next(self._versions)
        for device in self.devices:
            tell(device, self.stored, counts_covered=self._counts_covered)
            act(device)

    def runs(self) -> dict[str, str]:
        """What runs on each device: DEPLOYMENT/VERSION."""
        return {
            one.id: next(
                (
                    f"{m['env']['SLIPWAY_SCORING_DEPLOYMENT']['value']}/{m['env']['V']['value']}"
                    for m in one.running.values()
                ),
                "",
            )
            for one in self.devices
        }


def converged(hub: Hub, desired: DesiredEndpoint) -> None:
    """Every write on the way leaves each device with the deployment that it had or the one that it is to have, as long
    as shares go from one to another; where three share, a ring may be put aside before the next one is in its place."""
    before, met = hub.runs(), {name: {run} for name, run in hub.runs().items()}
    for _ in range(20):
        there = hub.there("live")
        wanted = layers(desired, COMPUTE, rest_of(desired.weights, there.values()))
        runtime = base(COMPUTE, "")
        assert runtime is not None
        hub.now += timedelta(hours=1)
        steps = [*base_changes(runtime, hub.there(""), hub.now, COMPUTE), *changes(wanted, there, hub.now, COMPUTE)]
        if not steps:
            break
        for step in steps:
            hub.do(step)
            for name, run in hub.runs().items():
                met[name].add(run)
    else:
        raise AssertionError("it does not come to an end")
    after = hub.runs()
    taking_part = {run.partition("/")[0] for run in (*before.values(), *after.values()) if run}
    if len(taking_part) <= 2:
        for name, runs in met.items():
            on_the_way = {run.partition("/")[0] for run in runs}
            assert on_the_way <= {one[name].partition("/")[0] for one in (before, after)}, (name, runs)
    versions = {one.name: f"{one.name}/{one.environ['V']}" for one in desired.deployments}
    for name, weight in desired.weights.items():
        running = sum(run == versions[name] for run in after.values())
        assert (running > 0) == (weight > 0 and (weight >= 10 or running > 0))
    if any(desired.weights.values()):
        assert "" not in after.values()
        assert set(after.values()) <= set(versions.values())


@st.composite
def desired_endpoints(draw: st.DrawFn) -> DesiredEndpoint:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    first, second = sorted((draw(st.sampled_from(range(0, 101, 10))), draw(st.sampled_from(range(0, 101, 10)))))
    parts = (first, second - first, 100 - second) if len(names) == 3 else (first, 100 - first)
    weights = dict(zip(names, parts if len(names) > 1 else (100,), strict=True))
    versions = {name: draw(st.sampled_from("12")) for name in names}
    return endpoint(*(deployment(name, environ={"V": versions[name]}) for name in names), weights=weights)


@settings(max_examples=25, deadline=None)
@given(st.lists(desired_endpoints(), min_size=1, max_size=4), st.booleans())
def test_devices_go_straight_to_what_is_declared(sequence: list[DesiredEndpoint], counts_covered: bool) -> None:
    hub = Hub(counts_covered=counts_covered)
    for desired in sequence:
        converged(hub, desired)
    last = {one.name for one in sequence[-1].deployments}
    assert len(hub.there("live")) == len(last)
    for step in removal(list(hub.there("live").values())):
        hub.do(step)
    assert set(hub.runs().values()) == {""}


def test_nothing_goes_while_the_hub_has_not_counted() -> None:
    hub = Hub(counts_covered=False)
    converged(hub, endpoint(deployment(environ={"V": "1"}), weights={"blue": 100}))
    there = hub.there("live")
    (before,) = there.values()
    wanted = layers(endpoint(deployment(environ={"V": "2"}), weights={"blue": 100}), COMPUTE, "blue")
    lowered, made = changes(wanted, there, hub.now, COMPUTE)
    assert isinstance(lowered, Put)
    assert isinstance(made, Put)
    assert (lowered.configuration.id, lowered.configuration.priority) == (before.configuration.id, 11)
    assert lowered.configuration.condition == before.configuration.condition
    for step in (lowered, made):
        hub.do(step)
    fresh = {id_: replace(one, updated_at=hub.now) for id_, one in hub.there("live").items()}
    late = COMPUTE.model_copy(update={"settle_s": 600})
    assert changes(wanted, fresh, hub.now + timedelta(seconds=590), late) == []
    (gone,) = changes(wanted, fresh, hub.now + timedelta(seconds=600), late)
    assert isinstance(gone, Delete)
    assert gone.there.configuration.id == before.configuration.id
