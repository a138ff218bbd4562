"""Schedules: what starts a job, and when."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Discriminator, Field, Tag

from shared.resources.execution import Identity, JobService, Limits, RunSettings
from shared.resources.paths_in_files import Compute, JobText
from shared.resources.pipeline import PipelineSettings
from shared.resources.ports import JobInputs, JobOutputs
from shared.resources.shapes import (
    AnyCase,
    BoundText,
    EnvironmentVariables,
    Int,
    Shape,
    TextMap,
    by_type,
    is_mapping,
    known_type,
    may,
    must,
    refuse,
    shown,
    some,
)

KIND = "schedule"
_CRON_RANGES = (("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12), ("weekday", 0, 7))


def _time(value: Any) -> Any:
    text = str(value)
    try:
        datetime.fromisoformat(text.replace(" ", "T", 1) if "T" not in text else text)
    except ValueError as error:
        raise refuse(f"{shown(value)}: not a time", "ISO 8601, e.g. 2024-07-10T10:00:00") from error
    return text


def _cron(text: str) -> str:
    fields = text.split()
    if len(fields) != len(_CRON_RANGES):
        raise refuse(f"{text!r}: {len(fields)} fields", "five fields: minute hour day-of-month month weekday")
    for written, (name, low, high) in zip(fields, _CRON_RANGES, strict=True):
        for part in written.split(","):
            if not _cron_part(part, low, high):
                raise refuse(
                    f"{written!r}: not a {name} of a cron expression", f"*, {low}-{high}, lists, ranges, steps"
                )
    return text


_WEEK_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAMES = {name: i for i, name in enumerate(_WEEK_DAYS)} | {name: i for i, name in enumerate(_MONTHS, 1)}


def _cron_part(part: str, low: int, high: int) -> bool:
    span, slash, step = part.partition("/")
    if slash and not (step.isascii() and step.isdigit() and 0 < int(step[:9]) <= high):
        return False
    if span in ("*", "?", "L"):
        return True
    numbers = [str(_NAMES.get(end.lower(), end)) for end in span.split("-")]
    if len(numbers) > 2 or not all(n.isascii() and n.isdigit() and low <= int(n[:9]) <= high for n in numbers):
        return False
    return len(numbers) == 1 or int(numbers[0]) <= int(numbers[1])


Time = Annotated[str, BeforeValidator(_time)]


class TriggerFacts(Shape):
    """What every trigger has."""

    start_time: Time | None = may("when it begins; left out, at once")
    end_time: Time | None = may("when it ends; left out, never")
    time_zone: str = may("time zone by its Windows name", "UTC", min_length=1)


class CronTrigger(TriggerFacts):
    """Starts at the times of a cron expression."""

    type: Annotated[Literal["cron"], AnyCase()] = must("cron")
    expression: Annotated[str, AfterValidator(_cron)] = must("five fields: minute hour day-of-month month weekday")


def _to_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


WeekDay = Annotated[Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"], AnyCase()]
Hours = Annotated[
    list[Annotated[Int, Field(ge=0, le=23)]], BeforeValidator(_to_list, json_schema_input_type=int | list[int])
]
Minutes = Annotated[
    list[Annotated[Int, Field(ge=0, le=59)]], BeforeValidator(_to_list, json_schema_input_type=int | list[int])
]
MonthDays = Annotated[
    list[Annotated[Int, Field(ge=-1, le=31)]], BeforeValidator(_to_list, json_schema_input_type=int | list[int])
]
WeekDays = Annotated[list[WeekDay], BeforeValidator(_to_list, json_schema_input_type=WeekDay | list[WeekDay])]


class RecurrencePattern(Shape):
    """At which times of the day, and on which days."""

    hours: Hours = must("hours of the day, 0 to 23")
    minutes: Minutes = must("minutes of the hour, 0 to 59")
    week_days: WeekDays | None = may("days of the week")
    month_days: MonthDays | None = may("days of the month")


class RecurrenceTrigger(TriggerFacts):
    """Starts again and again."""

    type: Annotated[Literal["recurrence"], AnyCase()] = must("recurrence")
    frequency: Annotated[Literal["minute", "hour", "day", "week", "month"], AnyCase()] = must("unit of the interval")
    interval: Int = must("units between starts", ge=1)
    schedule: RecurrencePattern | None = may("times of the day, and days")


Trigger = Annotated[
    Annotated[CronTrigger, Tag("<cron>")] | Annotated[RecurrenceTrigger, Tag("<recurrence>")],
    Discriminator(by_type("cron", "recurrence")),
    known_type("cron", "recurrence"),
]


class CreateJobFacts(Shape):
    """A job that is started, with what is different from its file."""

    job: JobText = must("the job: its file, azureml:NAME, or an ARM id")
    name: str | None = may("name of the runs")
    display_name: str | None = may("name for people")
    experiment_name: str | None = may("runs are grouped by it")
    description: str | None = may("free text")
    tags: TextMap = some("labels of the runs")
    properties: TextMap = some("facts of the runs")
    compute: Compute | None = may("where it runs")
    identity: Identity | None = may("as whom it runs")
    services: dict[str, JobService] = some("applications that run beside it")
    inputs: JobInputs = some("values and data, by name")
    outputs: JobOutputs = some("what it writes, by name")


class CreatePipelineJob(CreateJobFacts):
    """A pipeline job that is started."""

    type: Annotated[Literal["pipeline"], AnyCase()] = may("pipeline", "pipeline")
    settings: PipelineSettings | None = may("how the nodes run")


class CreateCommandJob(CreateJobFacts, RunSettings):
    """A command job that is started."""

    type: Annotated[Literal["command"], AnyCase()] = must("command")
    command: BoundText | None = may("command line")
    environment_variables: EnvironmentVariables = some("variables of the process")
    limits: Limits | None = may("when it is stopped")


class CreateSparkJob(Shape):
    """A Spark job that Azure ML starts and Slipway does not; read, and refused when it is to run."""

    model_config = ConfigDict(extra="allow")

    type: Annotated[Literal["spark"], AnyCase()] = must("spark")
    job: str = must("the job")


_pick = by_type("pipeline", "command", "spark")
CreateJob = Annotated[
    Annotated[JobText, Tag("<text>")]
    | Annotated[
        Annotated[
            Annotated[CreatePipelineJob, Tag("<pipeline>")]
            | Annotated[CreateCommandJob, Tag("<command>")]
            | Annotated[CreateSparkJob, Tag("<spark>")],
            Discriminator(_pick),
            known_type("pipeline", "command", "spark", needed=False),
        ],
        Tag("<mapping>"),
    ],
    Discriminator(is_mapping),
]


class ScheduleFacts(Shape):
    """What schedules and monitors have."""

    dump_only: ClassVar[frozenset[str]] = frozenset({"id", "creation_context", "provisioning_state", "is_enabled"})

    schema_: str | None = may("the schema's URL, for editors", alias="$schema")
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9\-_\.]{0,254}$")] = must("name of the schedule")
    display_name: str | None = may("name for people")
    description: str | None = may("free text")
    tags: TextMap = some("mutable labels for search")
    properties: TextMap = some("facts that never change")
    trigger: Trigger = must("when it starts: cron or recurrence")


class ScheduleDeclaration(ScheduleFacts):
    """A `schedule.yml` in Azure ML's CLI v2 format."""

    model_config = ConfigDict(
        title="Schedule",
        json_schema_extra={
            "examples": [
                {
                    "name": "nightly",
                    "trigger": {"type": "cron", "expression": "0 2 * * *"},
                    "create_job": "./pipeline.yml",
                }
            ]
        },
    )

    create_job: CreateJob = must("the job: its file, azureml:NAME, or a mapping with what is different")
