"""The `slipway` command: which server it talks to, how it tells what is wrong, what it costs to start."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from shared.cli.main import slipway
from shared.cli.references import time_since
from tests.doubles.cli import Cli
from tests.doubles.rest_api import KEY, Reply, RestApi, problem, running_rest_api


@pytest.fixture
def api() -> Iterator[RestApi]:
    with running_rest_api() as server:
        yield server


@pytest.fixture
def cli(api: RestApi, tmp_path: Path) -> Cli:
    return Cli(api.url, tmp_path / "data")


def all_commands(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from all_commands(command, *path, name)


@pytest.mark.parametrize("command", [(), *all_commands(slipway)], ids=" ".join)
def test_every_command_explains_itself_and_no_option_shadows_another(cli: Cli, command: tuple[str, ...]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # click warns when two parameters share a name
        result = cli(*command, "--help")
    assert result.exit_code == 0
    assert "Usage: slipway" in result.stdout


def test_the_exit_codes_are_documented(cli: Cli) -> None:
    text = " ".join(cli("--help").stdout.split())
    assert "0 done, 1 failure, 2 wrong command line, 3 not found, 4 refused or invalid" in text
    assert "5 not authorised, 6 unreachable or unavailable, 7 timed out waiting" in text


@pytest.mark.parametrize(
    ("status", "exit_code"),
    [(400, 4), (401, 5), (403, 5), (404, 3), (409, 4), (412, 4), (413, 4), (422, 4), (500, 1), (501, 4), (504, 6)],
)
def test_an_error_status_becomes_its_exit_code(cli: Cli, api: RestApi, status: int, exit_code: int) -> None:
    api.interpose = lambda request: problem(status, "Code", "what was wrong", remedy="do this")
    result = cli("model", "list")
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert f"Code ({status}): what was wrong" in result.stderr
    assert "To do: do this" in result.stderr


def test_an_internal_error_names_the_request_for_the_log(cli: Cli, api: RestApi) -> None:
    api.interpose = lambda request: problem(500, "InternalError", "something went wrong")
    assert "urn:slipway:request:r-1" in cli("model", "list").stderr


def test_an_answer_that_is_not_from_slipway_is_told(cli: Cli, api: RestApi) -> None:
    api.interpose = lambda request: Reply(200, content=b"<html>Sign in</html>", headers={"Content-Type": "text/html"})
    result = cli("model", "list")
    assert result.exit_code == 1
    assert "not JSON" in result.stderr


def test_nobody_listens(cli: Cli) -> None:
    with socket.socket() as taken:  # bound, but not listening
        taken.bind(("127.0.0.1", 0))
        result = cli("model", "list", "--url", f"http://127.0.0.1:{taken.getsockname()[1]}", "--timeout-s", "0.1")
    assert result.exit_code == 6
    assert "cannot be reached" in result.stderr
    assert "slipway up" in result.stderr


@pytest.mark.parametrize("failure", [Reply(503), Reply(429, headers={"Retry-After": "0"}), Reply(0, cut=True)])
def test_a_passing_failure_is_tried_again(cli: Cli, api: RestApi, failure: Reply) -> None:
    api.interpose = lambda request: failure if len(api.requests) == 1 else None
    assert cli("model", "list").exit_code == 0
    assert len(api.requests) == 2


def test_a_pause_longer_than_the_patience_is_not_waited_for(cli: Cli, api: RestApi) -> None:
    api.interpose = lambda request: Reply(503, headers={"Retry-After": "3600"})
    assert cli("model", "list", "--timeout-s", "5").exit_code == 6
    assert len(api.requests) == 1


def test_a_delete_that_may_have_been_done_is_not_repeated(cli: Cli, api: RestApi) -> None:
    api.interpose = lambda request: Reply(0, cut=True)
    assert cli("subscription", "delete", "mine").exit_code == 6
    assert len(api.requests) == 1


def test_a_wrong_key_is_told_but_not_shown(cli: Cli) -> None:
    result = cli("model", "list", key="a-wrong-key-that-is-secret")
    assert result.exit_code == 5
    assert "SLIPWAY_KEY" in result.stderr
    assert "a-wrong-key" not in result.output


def test_a_local_server_is_found_with_its_key_in_the_data_folder(cli: Cli, api: RestApi) -> None:
    cli.data_dir.mkdir()
    (cli.data_dir / "endpoint.json").write_text(json.dumps({"url": api.url, "pid": os.getpid()}))
    (cli.data_dir / "secrets.json").write_text(json.dumps({"host_keys": {"default": KEY}, "master_key": "master"}))
    assert cli("model", "list", key=None, SLIPWAY_URL=None).exit_code == 0
    assert api.requests[0].headers["x-functions-key"] == KEY


def test_what_a_stopped_server_left_is_not_believed(cli: Cli, api: RestApi) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    cli.data_dir.mkdir()
    (cli.data_dir / "endpoint.json").write_text(json.dumps({"url": api.url, "pid": gone.pid}))
    cli("model", "list", "--timeout-s", "0.1", SLIPWAY_URL=None)
    assert api.requests == []


def test_the_local_key_never_goes_to_another_machine(cli: Cli) -> None:
    cli.data_dir.mkdir()
    (cli.data_dir / "secrets.json").write_text(json.dumps({"host_keys": {"default": KEY}}))
    from shared.cli.connection import connect
    from shared.cli.options import Options

    far = connect(Options(url="https://slipway.example.org/api/", data_dir=str(cli.data_dir)))
    near = connect(Options(url="http://[::1]:7071", data_dir=str(cli.data_dir)))
    assert (far.base_url, far.headers()) == ("https://slipway.example.org", {})
    assert near.headers() == {"x-functions-key": KEY}
    assert KEY not in repr(near)


def test_a_damaged_data_folder_is_told(cli: Cli) -> None:
    cli.data_dir.mkdir()
    (cli.data_dir / "secrets.json").write_text("{")
    result = cli("model", "list", key=None)
    assert result.exit_code == 1
    assert "secrets.json cannot be read" in result.stderr


@pytest.mark.parametrize(
    "url",
    ["localhost:7071", "ftp://x", "http://", "http://user:hunter2@host", "ftp://u:hunter2@h", "http://h:99999", "x"],
)
def test_an_impossible_url_is_a_usage_error(cli: Cli, url: str) -> None:
    result = cli("model", "list", "--url", url)
    assert result.exit_code == 2
    assert "hunter2" not in result.stderr


def test_entra_needs_a_scope(cli: Cli) -> None:
    result = cli("model", "list", "--auth", "entra")
    assert result.exit_code == 2
    assert "--scope" in result.stderr


def test_options_may_stand_before_and_after_the_command_and_win_over_the_environment(cli: Cli, api: RestApi) -> None:
    api.add_version({"name": "m"}, {"f": b"x"})
    for arguments in (("-o", "json", "model", "list"), ("model", "list", "-o", "json")):
        assert json.loads(cli(*arguments).stdout)["items"][0]["name"] == "m"
    assert cli("--url", api.url, "--key", KEY, "model", "list", key="wrong", SLIPWAY_URL="http://x").exit_code == 0
    assert cli("model", "list", "--url", api.url, "--key", KEY, key="wrong", SLIPWAY_URL="http://x").exit_code == 0


def test_json_and_yaml_are_exactly_the_rest_documents(cli: Cli, api: RestApi) -> None:
    version = api.add_version({"name": "m", "description": "naïve → ok", "tags": {"on": "yes"}}, {"f": b"x"})
    assert json.loads(cli("model", "show", "m", "-o", "json").stdout) == version
    assert yaml.safe_load(cli("model", "show", "m", "-o", "yaml").stdout) == version


def test_pages_are_read_to_the_end(cli: Cli, api: RestApi) -> None:
    api.page_size = 2
    for _ in range(5):
        api.add_version({"name": "m"}, {"f": b"x"})
    found = json.loads(cli("model", "list", "m", "-o", "json").stdout)
    assert [item["version"] for item in found["items"]] == ["5", "4", "3", "2", "1"]
    assert found["continuation"] is None
    assert len(json.loads(cli("model", "list", "m", "-o", "json", "--limit", "3").stdout)["items"]) == 3


def test_a_server_that_repeats_a_page_does_not_hold_the_command(cli: Cli, api: RestApi) -> None:
    api.interpose = lambda request: Reply(200, {"items": [], "continuation": "same"})
    result = cli("upload", "list")
    assert result.exit_code == 1
    assert "repeats" in result.stderr


def test_what_others_wrote_cannot_steer_the_terminal(cli: Cli, api: RestApi) -> None:
    api.add_version({"name": "m", "description": "\x1b[2Jgone\rover"}, {"f": b"x"})
    for arguments in (("model", "list"), ("model", "show", "m")):
        assert "\x1b" not in cli(*arguments).stdout
    api.interpose = lambda request: problem(422, "Invalid", "\x1b[2J")
    assert "\x1b" not in cli("model", "list").stderr


@pytest.mark.parametrize("text", ["", ":1", "a:", "a@", "a:1:2", "..", "a:.."])
def test_a_reference_that_names_no_version_is_a_usage_error(cli: Cli, text: str) -> None:
    assert cli("model", "show", text).exit_code == 2


def test_names_cannot_reach_other_parts_of_the_api(cli: Cli, api: RestApi) -> None:
    cli("model", "show", "a/../../subscriptions?x=1#y")
    assert api.requests[0].path == "/api/models/a/../../subscriptions?x=1#y/versions/latest"  # decoded: one segment


def test_ages_are_counted_from_now() -> None:
    assert time_since("2026-11-23T12:00:00Z") == "2026-11-23T12:00:00Z"
    assert (time_since("15m") or "") < (time_since("1s") or "")


def test_starting_costs_no_library_that_is_not_needed() -> None:
    heavy = "{'httpx', 'rich', 'yaml', 'pydantic', 'aiohttp', 'azure', 'ssl', 'asyncio', 'sqlite3', 'numpy'}"
    code = f"import sys; import shared.cli.main; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_command_costs_no_other_one() -> None:
    code = "import sys; from shared.cli.main import slipway; slipway(['drift', '--help'], standalone_mode=False); "
    code += "print(sorted(name for name in sys.modules if name.startswith('shared.cli.') and 'model' in name))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_request_costs_no_terminal_library(api: RestApi) -> None:
    code = "import sys; from shared.cli.main import slipway; slipway(['model', 'list'], standalone_mode=False); "
    code += "print(sorted({'rich', 'pygments', 'yaml', 'pydantic', 'aiohttp', 'azure', 'asyncio'} & set(sys.modules)))"
    environment = {**os.environ, "SLIPWAY_URL": api.url, "SLIPWAY_KEY": KEY}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
