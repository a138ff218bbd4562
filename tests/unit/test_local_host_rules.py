"""The pieces of the local host: routes, schedules, settings, what is refused when an app is loaded, timers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, List, Optional  # noqa: UP035 - what users write

import azure.functions as func
import pytest

from shared.adapters.local.clock import ManualClock
from shared.adapters.local.signal import Signal
from shared.adapters.local.work_queue import open_work_queues
from shared.errors import Invalid, SlipwayError
from shared.local_host.app_loader import find_app, index_app
from shared.local_host.bindings_settings import resolve_settings
from shared.local_host.host_settings import QueueSettings, parse_host_json, read_host_json
from shared.local_host.invocation import Invoker
from shared.local_host.ncrontab import Schedule
from shared.local_host.queue_listener import QueueListener
from shared.local_host.route_templates import RouteTemplate, path_segments
from shared.local_host.timer_listener import TimerListener, TimerStatuses

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)  # a Sunday


# --- routes ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("a/b", "/A/b/", {}),
        ("a/b", "/a", None),
        ("a/b", "/a/b/c", None),
        ("{x}", "/v%20w", {"x": "v w"}),
        ("{x}", "/a%2fb", {"x": "a%2Fb"}),
        ("{x}", "/", None),
        ("a/{x?}", "/a", {}),
        ("a/{x=1}", "/a", {"x": "1"}),
        ("a/{*rest}", "/a/b/c", {"rest": "b/c"}),
        ("a/{**rest}", "/a", {}),
        ("{name}.{ext}", "/a.b.c", {"name": "a.b", "ext": "c"}),
        ("v{n:int}", "/v12", {"n": "12"}),
        ("{n:int}", "/2147483648", None),
        ("{n:long}", "/2147483648", {"n": "2147483648"}),
        ("{n:range(1,3)}", "/4", None),
        ("{n:min(1)}", "/x", None),
        ("{s:length(3)}", "/abc", {"s": "abc"}),
        ("{s:alpha:maxlength(2)}", "/abc", None),
        ("{b:bool}", "/True", {"b": "True"}),
        ("{g:guid}", "/00000000-0000-0000-0000-00000000000g", None),
    ],
)
def test_route_templates(template: str, path: str, values: dict[str, str] | None) -> None:
    assert RouteTemplate(template).match(path_segments(path)) == values


@pytest.mark.parametrize(
    "template", ["/a", "a//b", "{a", "a}", "{}", "{a}/{a}", "{*a}/b", "{a?}/b", "{a:regex(x)}", "{a:unknown}"]
)
def test_wrong_route_templates_are_refused(template: str) -> None:
    with pytest.raises(Invalid, match="route"):
        RouteTemplate(template)


# --- schedules ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("expression", "after", "due"),
    [
        ("*/15 * * * * *", START, START + timedelta(seconds=15)),
        ("0 */5 * * * *", START, START + timedelta(minutes=5)),
        ("0 30 9 * * MON-FRI", START, datetime(2026, 3, 2, 9, 30, tzinfo=UTC)),
        ("0 0 0 1 Jan *", START, datetime(2027, 1, 1, tzinfo=UTC)),
        ("0 0 0 7 * *", START, datetime(2026, 3, 7, tzinfo=UTC)),
        ("*/5 * * * *", START, START + timedelta(minutes=5)),  # five fields: no seconds
        ("0 0 0 13 * 5", START, datetime(2026, 3, 13, tzinfo=UTC)),  # the 13th AND a Friday
        ("0 0 0 14 * 5", START, datetime(2026, 8, 14, tzinfo=UTC)),
        ("00:00:10", START, START + timedelta(seconds=10)),
    ],
)
def test_schedules(expression: str, after: datetime, due: datetime) -> None:
    assert Schedule(expression).next_after(after) == due


@pytest.mark.parametrize(
    "expression",
    ["", "* * *", "60 * * * * *", "0 0 0 L * *", "0 0 0 * * 5#2", "0 0 0 * * 7", "0 0 0 30 2 *", "x", "00:00:00"],
)
def test_schedules_the_host_would_refuse_are_refused(expression: str) -> None:
    with pytest.raises(Invalid, match="schedule"):
        Schedule(expression)


# --- settings -------------------------------------------------------------------------------------------------------
def test_settings_in_bindings_are_replaced_or_refused() -> None:
    environ = {"A": "x", "EMPTY": ""}
    assert resolve_settings("%A%-%A%-y", environ, where="f") == "x-x-y"
    for text in ("%B%", "%EMPTY%", "%%"):
        with pytest.raises(Invalid, match="does not resolve"):
            resolve_settings(text, environ, where="f")


def test_host_json_defaults_and_values() -> None:
    settings = parse_host_json({"version": "2.0"})
    assert (settings.route_prefix, settings.queues.batch_size, settings.queues.max_dequeue_count) == ("api", 16, 5)
    queues = {"batchSize": 4, "visibilityTimeout": "00:00:30", "maxPollingInterval": "00:00:02", "maxDequeueCount": 3}
    document = {"functionTimeout": "-1", "extensions": {"http": {"routePrefix": ""}, "queues": queues}}
    settings = parse_host_json(document)
    assert (settings.route_prefix, settings.function_timeout_s) == ("", None)
    assert (settings.queues.visibility_timeout_s, settings.queues.max_polling_interval_s) == (30, 2)


def test_every_wrong_value_of_host_json_is_named(tmp_path: Path) -> None:
    queues = {"batchSize": 33, "maxDequeueCount": "5", "visibilityTimeout": 7}
    with pytest.raises(Invalid) as caught:
        parse_host_json({"functionTimeout": "soon", "extensions": {"queues": queues, "http": {"routePrefix": 1}}})
    assert len(caught.value.faults) == 5
    path = tmp_path / "host.json"
    for content in (None, b"{", b"[]", b"{}", b"\xff"):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(Invalid, match=r"host\.json"):
            read_host_json(path)


# --- loading --------------------------------------------------------------------------------------------------------
def app_with(function: Callable[..., Any], decorate: str = "route", **settings: Any) -> func.FunctionApp:
    app = func.FunctionApp()
    getattr(app, decorate)(**settings)(function)
    return app


def optional_parameter(req: Optional[func.HttpRequest]) -> str: ...  # noqa: UP045
def union_parameter(req: func.HttpRequest | None) -> str: ...
def optional_return(req: func.HttpRequest) -> Optional[str]: ...  # noqa: UP045
def dict_return(req: func.HttpRequest) -> dict: ...  # type: ignore[type-arg]
def wrong_parameter(req: func.QueueMessage) -> str: ...
def other_name(request: func.HttpRequest) -> str: ...
def extra_parameter(req: func.HttpRequest, extra: int = 0) -> str: ...
def unknown_type(req: NotImported) -> str: ...  # type: ignore[name-defined]  # noqa: F821
def wrong_context(req: func.HttpRequest, context: int) -> str: ...
def list_of_events(event: List[func.EventGridEvent]) -> None: ...  # noqa: UP006
def blob(data: func.InputStream) -> None: ...
def good(req: func.HttpRequest) -> str: ...


@pytest.mark.parametrize(
    ("app", "reason"),
    [
        (app_with(optional_parameter), "non-type annotation"),
        (app_with(union_parameter), "non-type annotation"),
        (app_with(optional_return), "non-type return"),
        (app_with(dict_return), "does not match binding type"),
        (app_with(wrong_parameter), "does not match its Python"),
        (app_with(other_name), "declared in Python but not"),
        (app_with(extra_parameter), "declared in Python but not"),
        (app_with(unknown_type), "cannot be evaluated"),
        (app_with(wrong_context), "Context"),
        (app_with(good, trigger_arg_name="a__b"), "binding name"),
        (app_with(list_of_events, "event_grid_trigger", arg_name="event"), "non-type annotation"),
        (app_with(blob, "blob_trigger", arg_name="data", path="c/{n}", connection="C"), "no blobTrigger"),
        (app_with(good, "generic_trigger", arg_name="req", type="serviceBusTrigger"), "no serviceBusTrigger"),
    ],
)
def test_functions_that_azure_would_not_load_are_refused(app: func.FunctionApp, reason: str) -> None:
    with pytest.raises(Invalid, match=reason):
        index_app(app)


def test_a_name_that_the_host_refuses_is_refused() -> None:
    app = func.FunctionApp()
    app.function_name("9bad")(app.route("x")(good))
    with pytest.raises(Invalid, match="a name is"):
        index_app(app)


def test_duplicate_names_are_refused_and_indexing_may_be_repeated() -> None:
    app = func.FunctionApp()
    app.route("a")(good)
    assert [function.name for function in index_app(app)] == ["good"]
    assert [function.name for function in index_app(app)] == ["good"]
    app.route("b")(good)
    with pytest.raises(Invalid, match="unique"):
        index_app(app)


def test_a_module_has_exactly_one_app() -> None:
    module = ModuleType("some_app")
    with pytest.raises(Invalid, match="no top level"):
        find_app(module)
    module.__dict__.update(one=func.FunctionApp())
    assert find_app(module) is module.__dict__["one"]
    module.__dict__.update(two=func.FunctionApp())
    with pytest.raises(Invalid, match="2 top level"):
        find_app(module)


# --- timers ---------------------------------------------------------------------------------------------------------
class Ticks:
    """A timer function that reports its runs, on a clock that moves when the listener sleeps."""

    def __init__(self, data_dir: Path, start: datetime, *, schedule: str = "0 0 * * * *", **settings: Any) -> None:
        self.clock = ManualClock(start)
        self.runs: list[tuple[datetime, bool]] = []
        self.takes_s = 0.0
        self.fails = 0
        self.enough = asyncio.Event()
        self.wanted = 0
        app = func.FunctionApp()
        retry = settings.pop("retry", None)

        async def tick(timer: func.TimerRequest) -> None:
            self._tick(timer)

        decorated = app.timer_trigger(arg_name="timer", schedule=schedule, **settings)(tick)
        if retry:
            app.retry(**retry)(decorated)
        self.listener = TimerListener(
            index_app(app)[0],
            Schedule(schedule),
            invoker=Invoker(None),
            statuses=TimerStatuses(data_dir / "timers.json"),
            clock=self.clock,
        )

    def _tick(self, timer: func.TimerRequest) -> None:
        self.runs.append((self.clock.now(), timer.past_due))
        self.clock.advance(self.takes_s)
        if len(self.runs) >= self.wanted:
            self.enough.set()
        if len(self.runs) <= self.fails:
            raise RuntimeError("on purpose")

    async def until(self, runs: int) -> list[tuple[datetime, bool]]:
        """The first runs; the listener is then stopped as the host does it."""
        self.wanted = runs
        task = asyncio.create_task(self.listener.run())
        await asyncio.wait_for(self.enough.wait(), 30)
        task.cancel()
        await asyncio.wait({task})
        await self.listener.finish()
        return self.runs[:runs]


async def test_a_timer_runs_when_it_is_due_and_not_before(tmp_path: Path) -> None:
    runs = await Ticks(tmp_path, START).until(3)
    assert runs == [(START + timedelta(hours=hour), False) for hour in (1, 2, 3)]


async def test_a_run_that_takes_long_delays_the_next_instead_of_overlapping(tmp_path: Path) -> None:
    ticks = Ticks(tmp_path, START)
    ticks.takes_s = 2.5 * 3600
    assert [run[0].hour for run in await ticks.until(3)] == [13, 16, 19]


async def test_errors_never_stop_a_timer(tmp_path: Path) -> None:
    ticks = Ticks(tmp_path, START)
    ticks.fails = 3
    assert len(await ticks.until(5)) == 5


async def test_run_on_startup_and_past_due_run_once(tmp_path: Path) -> None:
    first = await Ticks(tmp_path, START, run_on_startup=True).until(2)
    assert first == [(START, False), (START + timedelta(hours=1), False)]
    late = START + timedelta(days=1, minutes=10)
    again = await Ticks(tmp_path, late, run_on_startup=True).until(2)
    assert again == [(late, True), (START + timedelta(days=1, hours=1), False)]


async def test_a_timer_that_never_ran_is_past_due_after_its_first_time_went_by(tmp_path: Path) -> None:
    seen = TimerStatuses(tmp_path / "timers.json")
    ticks = Ticks(tmp_path, START)
    assert seen.get("tick") is None
    task = asyncio.create_task(ticks.listener.run())
    await asyncio.sleep(0)
    task.cancel()
    later = START + timedelta(hours=5, minutes=1)
    assert (await Ticks(tmp_path, later).until(1)) == [(later, True)]


async def test_damaged_timer_statuses_count_as_none(tmp_path: Path) -> None:
    (tmp_path / "timers.json").write_text('{"timers": {"tick": ')
    assert await Ticks(tmp_path, START).until(1) == [(START + timedelta(hours=1), False)]
    assert json.loads((tmp_path / "timers.json").read_text())["timers"]["tick"]["last"]


async def test_a_retry_policy_repeats_a_timer_after_its_delay(tmp_path: Path) -> None:
    retry = {"strategy": "fixed_delay", "max_retry_count": "2", "delay_interval": "00:00:05"}
    ticks = Ticks(tmp_path, START, retry=retry)
    ticks.fails = 9
    due = START + timedelta(hours=1)
    runs = [run[0] for run in await ticks.until(4)]
    assert runs == [due, due + timedelta(seconds=5), due + timedelta(seconds=10), due + timedelta(hours=1)]


async def test_a_wrong_retry_policy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SlipwayError, match="retry policy"):
        Ticks(tmp_path, START, retry={"strategy": "fixed_delay", "max_retry_count": "2", "delay_interval": "5 s"})


# --- queues ---------------------------------------------------------------------------------------------------------
async def test_a_message_is_held_as_long_as_its_function_runs(tmp_path: Path) -> None:
    clock = ManualClock(START)
    queues = open_work_queues(tmp_path / "queue.db", clock)
    hours_passed, runs = asyncio.Event(), []
    app = func.FunctionApp()

    @app.queue_trigger(arg_name="message", queue_name="work", connection="C")
    async def work(message: func.QueueMessage) -> None:
        runs.append(message.dequeue_count)
        while clock.now() < START + timedelta(hours=3):  # renewals move the clock
            await asyncio.sleep(0)
        hours_passed.set()

    signal = Signal()
    listener = QueueListener(
        index_app(app)[0],
        queues("work"),
        lambda: queues("work-poison"),
        invoker=Invoker(None),
        settings=QueueSettings(batch_size=1, new_batch_threshold=5),
        signal=signal,
        clock=clock,
    )
    await queues("work").send("long")
    task = asyncio.create_task(listener.run())
    await asyncio.wait_for(hours_passed.wait(), 30)
    task.cancel()
    await asyncio.wait({task})
    await listener.finish()
    assert runs == [1]
    clock.advance(3600)
    assert await queues("work").receive(max_messages=1, visibility_timeout_s=1) == ()
    await queues.close()
