"""`slipway event`, `subscription`, `upload`, `reconcile` and `up`."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.doubles.cli import Cli
from tests.doubles.rest_api import KEY, RestApi, event_document, running_rest_api, upload_document

TIMEOUT_S = 30.0


@pytest.fixture
def api() -> Iterator[RestApi]:
    with running_rest_api() as server:
        yield server


@pytest.fixture
def cli(api: RestApi, tmp_path: Path) -> Cli:
    return Cli(api.url, tmp_path / "data")


# --- events --------------------------------------------------------------------------------------------------------
def test_events_are_listed_by_what_is_asked_for(cli: Cli, api: RestApi) -> None:
    api.events = [event_document(1), event_document(2, kind="ModelDeployed"), event_document(3)]
    registered = api.events[0]["eventType"]
    arguments = (
        "--type",
        registered,
        "--type",
        "X",
        "--subject-prefix",
        "models/",
        "--since",
        "2026-11-23",
        "-o",
        "json",
    )
    found = json.loads(cli("event", "list", *arguments).stdout)
    assert [event["id"] for event in found["items"]] == ["event-1", "event-3"]
    query = api.requests[0].query
    assert (query["type"], query["subject_prefix"], query["since"]) == (f"{registered},X", "models/", "2026-11-23")
    assert "models/diabetes:2" in cli("event", "list").stdout
    assert len(json.loads(cli("event", "list", "--limit", "2", "-o", "json").stdout)["items"]) == 2


@contextmanager
def following(api: RestApi, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """`slipway event follow` as a process; killed at the end if it still runs."""
    command = [sys.executable, "-u", "-m", "shared.cli.main", "event", "follow", "--interval-s", "0.1", "-o", "json"]
    environment = {**os.environ, "SLIPWAY_URL": api.url, "SLIPWAY_KEY": KEY}
    with subprocess.Popen([*command, *arguments], env=environment, stdout=-1, stderr=-1, bufsize=0) as process:
        try:
            yield process
        finally:
            process.kill()


def lines(process: subprocess.Popen[bytes], count: int) -> list[str]:
    """The ids of the next `count` events it prints."""
    assert process.stdout is not None
    ids = []
    for _ in range(count):
        assert select.select([process.stdout], [], [], TIMEOUT_S)[0], "nothing was printed in time"
        line = process.stdout.readline()
        assert line, process.stderr.read().decode() if process.stderr else ""
        ids.append(json.loads(line)["id"])
    return ids


def test_events_are_followed_each_once_even_when_they_come_late_and_ctrl_c_is_no_failure(api: RestApi) -> None:
    api.events = [event_document(1, "2026-11-23T11:59:00Z"), event_document(2, "2026-11-23T12:00:00Z")]
    with following(api, "--since", "2026-11-23T12:00:00Z") as process:
        assert lines(process, 1) == ["event-2"]
        with api.lock:
            api.events.append(event_document(4, "2026-11-23T12:00:40Z"))
        assert lines(process, 1) == ["event-4"]
        with api.lock:  # earlier than what was seen, but visible only now
            api.events.insert(2, event_document(3, "2026-11-23T12:00:10Z"))
        assert lines(process, 1) == ["event-3"]
        with api.lock:
            api.events.append(event_document(5, "2026-11-23T12:05:00Z"))
        assert lines(process, 1) == ["event-5"]
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=TIMEOUT_S)
    assert (process.returncode, rest) == (0, b"")
    assert b"Traceback" not in errors


def test_without_since_only_what_happens_from_now_on_is_followed(api: RestApi) -> None:
    api.events = [event_document(1, "2020-01-01T00:00:00Z")]
    with following(api) as process:
        with api.lock:
            api.events.append(event_document(2, "2999-01-01T00:00:00Z"))
        assert lines(process, 1) == ["event-2"]
        with api.lock:  # a clock that is wrong does not hide what others tell
            api.events.append(event_document(3, "2998-01-01T00:00:00Z"))
        assert lines(process, 1) == ["event-3"]


def test_following_from_a_time_that_is_none_is_a_usage_error(cli: Cli) -> None:
    assert cli("event", "follow", "--since", "yesterday").exit_code == 2


# --- subscriptions -------------------------------------------------------------------------------------------------
def test_a_subscription_is_added_listed_and_deleted(cli: Cli, api: RestApi) -> None:
    advanced = {"operatorType": "StringIn", "key": "data.modelName", "values": ["diabetes"]}
    arguments = (
        *("--event-type", "A", "--event-type", "B", "--subject-begins-with", "models/", "--subject-ends-with", ":1"),
        *("--advanced-filter", json.dumps(advanced), "--advanced-filter", json.dumps([advanced])),
        *("--schema", "cloudevents", "--max-delivery-attempts", "3", "--signing-secret-env", "THE_SECRET"),
    )
    added = cli("subscription", "add", "mine", "https://example.org/hook", *arguments, THE_SECRET="whsec_c2VjcmV0")
    assert added.exit_code == 0, added.stderr
    sent = api.requests[0]
    assert (sent.method, sent.path) == ("PUT", "/api/subscriptions/mine")
    assert sent.json == {
        "endpoint_url": "https://example.org/hook",
        "included_event_types": ["A", "B"],
        "subject_begins_with": "models/",
        "subject_ends_with": ":1",
        "is_subject_case_sensitive": False,
        "advanced_filters": [advanced, advanced],
        "event_delivery_schema": "CloudEventSchemaV1_0",
        "max_delivery_attempts": 3,
        "signing_secret": "whsec_c2VjcmV0",
    }
    assert "whsec_" not in added.output
    assert "https://example.org/hook" in cli("subscription", "list").stdout
    assert cli("subscription", "delete", "mine").exit_code == 0
    assert cli("subscription", "delete", "mine").exit_code == 3


@pytest.mark.parametrize(
    "arguments",
    [("--advanced-filter", "{"), ("--advanced-filter", "[1]"), ("--signing-secret-env", "NOT_SET"), ("--schema", "x")],
)
def test_a_subscription_that_cannot_be_meant_is_not_sent(cli: Cli, api: RestApi, arguments: tuple[str, ...]) -> None:
    assert cli("subscription", "add", "mine", "https://example.org", *arguments).exit_code == 2
    assert api.requests == []


# --- uploads and re-drive ------------------------------------------------------------------------------------------
def test_an_upload_says_what_it_waits_for_and_what_is_wrong(cli: Cli, api: RestApi) -> None:
    fault = {"message": "bad", "pointer": "/name", "file": "model.yml", "line": 2, "column": 7, "allowed": "good"}
    api.uploads = {
        "u-1": upload_document("u-1", missing=["weights.bin"]),
        "u-2": upload_document("u-2", phase="Failed", faults=[fault]),
        "u-3": upload_document("u-3", phase="Completed", model_id="diabetes:3"),
    }
    listed = cli("upload", "list").stdout.splitlines()
    assert ["files missing: weights.bin" in line for line in listed] == [False, True, False, False]
    assert "bad" in listed[2]
    assert "diabetes:3" in listed[3]
    shown = cli("upload", "show", "u-2").stdout
    assert "model.yml:2:7: /name: bad (allowed: good)" in shown
    assert "Registered=False FilesMissing" in shown
    assert cli("upload", "show", "u-9").exit_code == 3


def test_a_resource_is_driven_again(cli: Cli, api: RestApi) -> None:
    result = cli("reconcile", "upload/u-1")
    assert (result.exit_code, api.requests[0].path) == (0, "/api/resources/upload/u-1/reconcile")
    assert cli("reconcile", "upload").exit_code == 2


def test_up_runs_the_control_plane_on_the_data_folder_and_stops_on_ctrl_c(tmp_path: Path) -> None:
    command = [sys.executable, "-u", "-m", "shared.cli.main", "--data-dir", str(tmp_path / "data"), "up", "--port", "0"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")}
    with subprocess.Popen(command, stdout=-1, stderr=-1, bufsize=0, cwd=tmp_path, env=environment) as process:
        try:
            assert process.stdout is not None
            assert select.select([process.stdout], [], [], TIMEOUT_S)[0], "nothing was printed in time"
            assert b"http://127.0.0.1:" in process.stdout.readline()
            listed = subprocess.run(
                [sys.executable, "-m", "shared.cli.main", "model", "list"],
                env={**environment, "SLIPWAY_DATA_DIR": str(tmp_path / "data")},
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
            )
            assert (listed.returncode, listed.stdout.strip()) == (0, "There are no models."), listed.stderr
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=TIMEOUT_S)
        finally:
            process.kill()
    assert process.returncode == 0
