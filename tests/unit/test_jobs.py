"""What a job may be, and how its command is written."""

from __future__ import annotations

import math
from typing import Any

import pytest

from shared.adapters.local.job_files import expanded
from shared.errors import Invalid
from shared.ports import JobLimits, JobPhase, JobSpec, SecretReference
from shared.ports.jobs import JOB_TRANSITIONS


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"name": "../up"}, "/name"),
        ({"name": ".hidden"}, "/name"),
        ({"command": ()}, "/command"),
        ({"command": ("a\0b",)}, "/command"),
        ({"environ": {"A=B": ""}}, "/environ/A=B"),
        ({"environ": {"A": "\0"}}, "/environ/A"),
        ({"environ": {"SLIPWAY_JOB_RESULT": "/etc/passwd"}}, "/environ/SLIPWAY_JOB_RESULT"),
        ({"files": {"../a": b""}}, "/files/../a"),
        ({"files": {"a/b": b""}}, "/files/a/b"),
        ({"secrets": {"A": SecretReference("../a", "key")}}, "/secrets/A"),
        ({"secrets": {"A": SecretReference("a", "..")}}, "/secrets/A"),
        ({"secrets": {"A": SecretReference("a", "b")}, "command": ("echo", "$(A)")}, "/command"),
        ({"limits": JobLimits(cpu=0)}, "/limits/cpu"),
        ({"limits": JobLimits(memory_bytes=-1)}, "/limits/memory_bytes"),
        ({"timeout_s": math.inf}, "/timeout_s"),
        ({"stop_timeout_s": math.nan}, "/stop_timeout_s"),
        ({"max_result_bytes": 0}, "/max_result_bytes"),
    ],
)
def test_what_no_runner_can_have_is_refused_with_its_place(fields: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        JobSpec(**{"name": "job", "command": ("true",), **fields})
    assert [fault.pointer for fault in refused.value.faults] == [pointer]


def test_every_part_of_a_job_is_in_its_digest_and_its_content_is_not_shown() -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"command": ("false",)},
        {"image": "registry.example/a"},
        {"environ": {"A": "1"}},
        {"secrets": {"A": SecretReference("a", "b")}},
        {"files": {"a": b"1"}},
        {"files": {"a": b"2"}},
        {"limits": JobLimits(cpu=1)},
        {"limits": JobLimits(memory_bytes=1)},
        {"timeout_s": 1},
        {"stop_timeout_s": 1},
        {"max_result_bytes": 1},
    ]
    specs = [JobSpec(**{"name": "job", "command": ("true",), **change}) for change in changes]
    assert len({spec.digest for spec in specs}) == len(specs)
    assert "1" not in repr(specs[5])


def test_what_has_ended_stays_so() -> None:
    assert set(JOB_TRANSITIONS) == set(JobPhase)
    assert {phase for phase, after in JOB_TRANSITIONS.items() if not after} == {"Succeeded", "Failed", "Canceled"}


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("$(A)/b", "x/b"),
        ("$(NONE)", "$(NONE)"),
        ("$$(A)", "$(A)"),
        ("$A ${A} $", "$A ${A} $"),
        ("$$$(A)", "$x"),
        ("$(B)", "$(A)"),
    ],
)
def test_commands_are_expanded_as_kubernetes_does(text: str, becomes: str) -> None:
    assert expanded(text, {"A": "x", "B": "$(A)"}) == becomes
