"""Every (phase, observation) of an upload has one next step, and only allowed transitions follow from it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.controllers.upload_decision import (
    LOOK_AGAIN_S,
    Clean,
    Fail,
    Observation,
    Register,
    Registered,
    Store,
    Supersede,
    Wait,
    decide,
    files_of,
)
from shared.declarations.manifest import Manifest
from shared.errors import Fault
from shared.ports import BlobInfo
from shared.resources.model import ModelDeclaration
from shared.resources.upload import TERMINAL, TRANSITIONS, UploadPhase, UploadSpec, UploadStatus

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SETTLE_S = 5.0
UNFINISHED = [phase for phase in UploadPhase if phase not in TERMINAL]


def blob(path: str, age_s: float = 60) -> BlobInfo:
    return BlobInfo(path, f"etag-{path}", 3, NOW - timedelta(seconds=age_s))


def spec(**changes: Any) -> UploadSpec:
    fields = {"container": "uploads", "directory": "d", "manifest_file": "model.yml", "manifest_etag": "e"}
    return UploadSpec(**{**fields, "manifest": "", "deadline": NOW + timedelta(seconds=100), **changes})


def seen(*blobs: BlobInfo, **changes: Any) -> Observation:
    declaration = ModelDeclaration(
        name="m", path=changes.pop("path", "m.onnx"), type=changes.pop("type", "custom_model")
    )
    fields: dict[str, Any] = {"now": NOW, "manifest": Manifest(declaration), "registered_version": None}
    return Observation(**{**fields, "manifest_present": True, "blobs": {b.path: b for b in blobs}, **changes})


def phase_after(step: object, container: str) -> UploadPhase:
    done = UploadPhase.REGISTERED if container == "uploads" else UploadPhase.COMPLETED
    by_step = {
        Store: UploadPhase.REGISTERING if container == "uploads" else done,
        Register: done,
        Registered: done,
        Clean: UploadPhase.COMPLETED,
        Wait: UploadPhase.WAITING_FOR_FILES,
        Fail: UploadPhase.FAILED,
        Supersede: UploadPhase.SUPERSEDED,
    }
    return by_step[type(step)]


OBSERVATIONS = {
    "complete": seen(blob("m.onnx")),
    "missing": seen(),
    "overdue": seen(now=NOW + timedelta(seconds=101)),
    "faulty": seen(manifest=Manifest(None, (Fault("bad"),))),
    "gone": seen(manifest_present=False),
    "registered": seen(registered_version=3),
    "settling": seen(blob("f/a", age_s=1), path="f"),
}


# Staged files are registered and cleaned in one look: those uploads are never seen in between.
REACHABLE = [("uploads", phase) for phase in UNFINISHED] + [("staging", "Pending"), ("staging", "WaitingForFiles")]


@pytest.mark.parametrize(("container", "phase"), REACHABLE)
@pytest.mark.parametrize("name", OBSERVATIONS)
def test_every_phase_and_observation_leads_to_an_allowed_phase(phase: str, name: str, container: str) -> None:
    step = decide(UploadStatus(phase=phase), spec(container=container), OBSERVATIONS[name], SETTLE_S)
    after = phase_after(step, container)
    assert after == phase or after in TRANSITIONS[UploadPhase(phase)], f"{phase} --{name}--> {after}"


def test_terminal_phases_are_left_only_by_a_redrive() -> None:
    assert {phase: set(TRANSITIONS[phase]) for phase in TERMINAL} == {
        UploadPhase.COMPLETED: set(),
        UploadPhase.FAILED: {UploadPhase.PENDING},
        UploadPhase.SUPERSEDED: set(),
    }
    assert set(TRANSITIONS) == set(UploadPhase)


@pytest.mark.parametrize(
    ("observation", "expected"),
    [
        ("complete", Store),
        ("missing", Wait),
        ("overdue", Fail),
        ("faulty", Fail),
        ("gone", Supersede),
        ("registered", Registered),
        ("settling", Wait),
    ],
)
def test_the_step_of_a_new_upload(observation: str, expected: type) -> None:
    assert isinstance(decide(UploadStatus(phase="Pending"), spec(), OBSERVATIONS[observation], SETTLE_S), expected)


def test_a_registration_that_happened_wins_over_files_that_are_gone() -> None:
    step = decide(UploadStatus(phase="Pending"), spec(), seen(registered_version=7, manifest_present=False), SETTLE_S)
    assert step == Registered(7)


def test_once_the_files_are_stored_nothing_but_registering_follows() -> None:
    status = UploadStatus(phase="Registering")
    for observation in (seen(), seen(manifest_present=False), seen(blob("m.onnx"))):
        assert isinstance(decide(status, spec(), observation, SETTLE_S), Register)


def test_waiting_names_what_is_missing_and_ends_at_the_deadline() -> None:
    step = decide(UploadStatus(phase="Pending"), spec(files=["m.onnx", "vocab.txt"]), seen(blob("m.onnx")), SETTLE_S)
    assert step == Wait(("vocab.txt",), LOOK_AGAIN_S)
    near = seen(blob("m.onnx"), now=NOW + timedelta(seconds=97))
    assert decide(UploadStatus(phase="WaitingForFiles"), spec(files=["m.onnx", "vocab.txt"]), near, SETTLE_S) == Wait(
        ("vocab.txt",), 3.0
    )
    late = decide(UploadStatus(phase="WaitingForFiles"), spec(), seen(now=NOW + timedelta(seconds=100)), SETTLE_S)
    assert late == Fail(missing=("m.onnx",))


def test_a_dropped_folder_registers_only_once_it_is_quiet() -> None:
    still = decide(UploadStatus(phase="Pending"), spec(), seen(blob("f/a"), blob("f/b", age_s=2), path="f"), SETTLE_S)
    assert still == Wait((), 3.0)
    quiet = decide(UploadStatus(phase="Pending"), spec(), seen(blob("f/a"), blob("f/b", age_s=5), path="f"), SETTLE_S)
    assert isinstance(quiet, Store)
    assert set(quiet.files) == {"f/a", "f/b"}


def test_an_mlflow_model_needs_its_mlmodel_file() -> None:
    step = decide(UploadStatus(phase="Pending"), spec(), seen(blob("f/a"), path="f", type="mlflow_model"), SETTLE_S)
    assert step == Wait(("f/MLmodel",), LOOK_AGAIN_S)


def test_files_beside_the_path_are_not_part_of_the_model() -> None:
    declaration = ModelDeclaration(name="m", path="model")
    found = {path: blob(path) for path in ("model/a", "model.txt", "modelling/b", "model/c/d", "readme")}
    assert list(files_of(declaration, found)) == ["model/a", "model/c/d"]
    assert len(files_of(ModelDeclaration(name="m", path="."), found)) == 5


def test_too_many_files_are_refused() -> None:
    many = [blob(f"f/{i}") for i in range(2001)]
    step = decide(UploadStatus(phase="Pending"), spec(), seen(*many, path="f"), SETTLE_S)
    assert isinstance(step, Fail)
    assert "2001 files" in str(step.faults[0])
