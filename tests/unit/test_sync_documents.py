"""The documents of a sync: phases, bounds, properties."""

from __future__ import annotations

import pytest

from shared.resources.sync import (
    MAX_FILES_BYTES,
    TERMINAL,
    TRANSITIONS,
    FileOutcome,
    FileResult,
    Provenance,
    SyncPhase,
    SyncStatus,
    bounded,
    counted,
    phase_of,
    sync_id,
)


@pytest.mark.parametrize("phase", SyncPhase)
def test_every_phase_is_left_for_known_ones_and_reached_from_pending(phase: SyncPhase) -> None:
    assert TRANSITIONS[phase] <= set(SyncPhase)
    assert phase not in TRANSITIONS[phase]
    reached, new = {SyncPhase.PENDING}, {SyncPhase.PENDING}
    while new:
        new = {after for before in new for after in TRANSITIONS[before]} - reached
        reached |= new
    assert phase in reached


def test_only_what_failed_is_taken_up_again() -> None:
    again = {phase for phase in TERMINAL if TRANSITIONS[phase]}
    assert again == {SyncPhase.FAILED, SyncPhase.PARTIALLY_SUCCEEDED}
    assert all(TRANSITIONS[phase] == {SyncPhase.PENDING} for phase in again)


@pytest.mark.parametrize(
    ("results", "phase"),
    [
        ([], SyncPhase.SUCCEEDED),
        ([FileResult.IGNORED], SyncPhase.SUCCEEDED),
        ([FileResult.UNCHANGED, FileResult.CREATED], SyncPhase.SUCCEEDED),
        ([FileResult.REFUSED, FileResult.IGNORED], SyncPhase.FAILED),
        ([FileResult.REFUSED, FileResult.UNCHANGED], SyncPhase.PARTIALLY_SUCCEEDED),
        ([FileResult.REFUSED, FileResult.REMOVED], SyncPhase.PARTIALLY_SUCCEEDED),
    ],
)
def test_the_phase_follows_from_the_files(results: list[FileResult], phase: SyncPhase) -> None:
    assert phase_of([FileOutcome(path=f"{i}.yml", result=result) for i, result in enumerate(results)]) == phase


def test_a_status_stays_small_and_its_counts_exact() -> None:
    faults = [{"message": "x" * 5000, "file": "a.yml", "line": 1} for _ in range(100)]
    outcomes = [
        FileOutcome(path=f"{'folder/' * 20}{i}.yml", kind="job", name=f"job-{i}", result=FileResult.UNCHANGED)
        for i in range(5000)
    ]
    outcomes += [
        FileOutcome(path=f"bad-{i}.yml", result=FileResult.REFUSED, reason="y" * 9999, faults=faults) for i in range(9)
    ]
    files, left_out = bounded(outcomes)
    status = SyncStatus(counts=counted(outcomes), files=files, files_left_out=left_out)
    assert len(status.model_dump_json()) < MAX_FILES_BYTES * 1.1
    assert status.counts == {"refused": 9, "unchanged": 5000}
    assert [one.result for one in files[:9]] == [FileResult.REFUSED] * 9
    assert files[0].faults[-1] == {"message": "and 90 more faults", "file": "bad-0.yml"}
    assert len(files) + left_out == 5009


def test_properties_have_the_names_of_both_generations_of_azure_ml() -> None:
    provenance = Provenance(
        source="models",
        repository_url="https://git.example/models",
        ref="refs/heads/main",
        commit="a" * 40,
        folder="prod",
        is_dirty=False,
        build_id="7",
        build_uri="https://ci.example/7",
    )
    assert provenance.properties("a/model.yml", 3) == {
        "mlflow.source.git.repoURL": "https://git.example/models",
        "mlflow.source.git.branch": "main",
        "mlflow.source.git.commit": "a" * 40,
        "azureml.git.repository_uri": "https://git.example/models",
        "azureml.git.branch": "main",
        "azureml.git.commit": "a" * 40,
        "azureml.git.dirty": "False",
        "azureml.git.build_id": "7",
        "azureml.git.build_uri": "https://ci.example/7",
        "slipway.source": "models",
        "slipway.source.file": "prod/a/model.yml",
        "slipway.source.line": "3",
    }
    assert "mlflow.source.git.commit" not in Provenance(source="config").properties("a.yml", 1)


def test_a_sync_has_the_same_id_whenever_it_is_named() -> None:
    assert sync_id("models", "refs/heads/main", "a" * 40) == sync_id("models", "refs/heads/main", "a" * 40)
    assert sync_id("models", None, "a") != sync_id("models", "None", "a")
