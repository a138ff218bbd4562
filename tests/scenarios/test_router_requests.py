"""What one router does with single requests: where they go, what may be sent again, what waits, and what is refused."""

from __future__ import annotations

import hashlib
import signal
import socket
import time
from collections.abc import Iterator

import pytest

from tests.scenarios.router_load import within_binomial_99
from tests.scenarios.router_machine import RouterMachine, asking, wait_for


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RouterMachine, str, str]]:
    machine = RouterMachine(tmp_path_factory.mktemp("router"), {})
    try:
        blue, green = machine.server("blue"), machine.server("green")
        yield machine, blue.listening().address, green.listening().address
        assert machine.router.process.poll() is None
        assert "Traceback" not in machine.router.log()
    finally:
        machine.close()


World = tuple[RouterMachine, str, str]


def test_a_header_names_the_deployment(world: World) -> None:
    machine, blue, green = world
    machine.write({"blue": {"weight": 100, "processes": [blue]}, "green": {"weight": 0, "processes": [green]}})
    answer = machine.client.post("/score", headers={"azureml-model-deployment": "green", "x-request-id": "mine"})
    assert (answer.json()["by"], answer.headers["azureml-model-deployment"]) == ("green", "green")
    assert answer.json()["headers"]["x-request-id"] == answer.headers["x-request-id"] == "mine"
    made = machine.client.post("/score")
    assert made.json()["headers"]["x-request-id"] == made.headers["x-request-id"]
    unknown = machine.client.post("/score", headers={"azureml-model-deployment": "red"})
    assert unknown.status_code == 404
    assert "blue, green" in unknown.json()["detail"]


def test_an_endpoint_without_traffic_answers_404_as_azure_does(world: World) -> None:
    machine, blue, _ = world
    machine.write({"blue": {"weight": 0, "processes": [blue]}})
    assert machine.client.post("/score").status_code == 404


def test_callers_stay_with_their_deployment_while_a_share_grows(world: World) -> None:
    machine, blue, green = world

    def given(percent: int) -> dict[int, str]:
        both = {
            "blue": {"weight": 100 - percent, "processes": [blue]},
            "green": {"weight": percent, "processes": [green]},
        }
        machine.write(both, sticky={"by": "header", "name": "X-User"})
        ask = machine.client.get
        found = {user: ask("/score", headers={"x-user": str(user)}).json()["by"] for user in range(200)}
        assert found == {user: ask("/score", headers={"X-USER": str(user)}).json()["by"] for user in range(200)}
        return found

    few, more = given(20), given(50)
    assert within_binomial_99(list(few.values()).count("green"), 200, 0.2)
    assert within_binomial_99(list(more.values()).count("green"), 200, 0.5)
    assert all(more[user] == "green" for user in few if few[user] == "green")


def test_copies_reach_the_mirror_and_its_answers_reach_nobody(world: World) -> None:
    machine, blue, green = world
    machine.write(
        {
            "blue": {"weight": 100, "processes": [blue]},
            "green": {"weight": 0, "mirror_percent": 20, "processes": [green]},
        }
    )
    sample = 'slipway_router_requests_total{deployment="green",traffic="mirror",code="200"}'
    before = machine.metric(sample)
    assert {machine.client.post("/score", content=b"x" * 100).json()["by"] for _ in range(100)} == {"blue"}
    wait_for("20 copies were answered", lambda: machine.metric(sample) == before + 20, 10)


def test_a_mirror_that_hangs_slows_nobody(world: World) -> None:
    machine, blue, _ = world
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hung = f"127.0.0.1:{silent.getsockname()[1]}"
        machine.write(
            {
                "blue": {"weight": 100, "processes": [blue]},
                "hung": {"weight": 0, "mirror_percent": 50, "processes": [hung], "request_timeout_ms": 60_000},
            },
            max_mirrors_in_flight=5,
        )
        answers = [machine.client.post("/score") for _ in range(40)]
        assert {answer.status_code for answer in answers} == {200}
        assert machine.metric('slipway_router_mirror_dropped_total{deployment="hung"}') == 15
        assert machine.metric(f'slipway_router_process_in_flight{{deployment="hung",process="{hung}"}}') == 5
        machine.write({"blue": {"weight": 100, "processes": [blue]}})


def test_what_may_be_sent_again_is_and_what_may_not_is_answered_502(world: World) -> None:
    machine, blue, _ = world
    doomed = [machine.server("twin").listening() for _ in range(2)]
    twins = {"twin": {"weight": 100, "processes": [one.address for one in doomed]}}
    machine.write(twins)
    assert machine.client.post("/die").status_code == 502
    assert [machine.client.post("/score").status_code for _ in range(20)] == [200] * 20
    (left,) = [one for one in doomed if one.process.poll() is None]
    machine.write({"twin": {"weight": 100, "processes": [left.address]}})
    with asking(machine, "/slow/700", "GET") as found:
        wait_for("it is under way", lambda: machine.metric('slipway_router_in_flight{deployment="twin"}') == 1)
        left.kill()
        machine.server("twin", left.port).listening()
    assert found[0].json()["by"] == "twin"
    assert machine.metric('slipway_router_retries_total{deployment="twin"}') > 0
    machine.write({"blue": {"weight": 100, "processes": [blue]}})


def test_the_first_request_waits_for_a_process_that_is_being_started(world: World) -> None:
    machine, _, _ = world
    asleep = {"asleep": {"weight": 100, "processes": []}}
    machine.write(asleep, max_held=1)
    with asking(machine, "/score") as found:
        wait_for("it is held", lambda: machine.metric('slipway_router_held{deployment="asleep"}') == 1)
        assert machine.metric('slipway_router_last_request_timestamp_seconds{deployment="asleep"}') > time.time() - 60
        too_many = machine.client.post("/score")
        assert (too_many.status_code, too_many.headers["retry-after"]) == (503, "1")
        server = machine.server("asleep").listening()
        machine.write({"asleep": {"weight": 100, "processes": [server.address]}})
    assert found[0].json()["by"] == "asleep"
    machine.write(asleep, hold_timeout_s=0.2)
    assert machine.client.post("/score").status_code == 503
    assert machine.metric('slipway_router_held{deployment="asleep"}') == 0


def test_a_deployment_that_is_down_is_passed_over(world: World) -> None:
    machine, blue, _ = world
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"127.0.0.1:{taken.getsockname()[1]}"
    machine.write({"blue": {"weight": 50, "processes": [blue]}, "lost": {"weight": 50, "processes": [nobody]}})
    assert {machine.client.post("/score").json()["by"] for _ in range(30)} == {"blue"}


def test_limits(world: World) -> None:
    machine, blue, _ = world
    one = {"blue": {"weight": 100, "processes": [blue], "request_timeout_ms": 100, "max_in_flight": 1}}
    machine.write(one, max_body_bytes=1000)
    errors = 'slipway_router_errors_total{deployment="blue",traffic="live"}'
    before = machine.metric(errors)
    assert machine.client.post("/slow/5000").status_code == 408
    assert machine.metric(errors) == before + 1
    assert machine.client.post("/score", content=b"x" * 1000).status_code == 200
    assert machine.client.post("/score", content=b"x" * 1001).status_code == 413
    machine.write({"blue": {**one["blue"], "request_timeout_ms": 5000}})
    with asking(machine, "/slow/1000"):
        wait_for("it is under way", lambda: machine.metric('slipway_router_in_flight{deployment="blue"}') == 1)
        assert machine.client.post("/score").status_code == 429


def test_a_wrong_file_changes_nothing(world: World) -> None:
    machine, blue, _ = world
    machine.write({"blue": {"weight": 100, "processes": [blue]}})
    machine.config_path.write_text('{"deployments": {"blue": {"weight": 30, "processes": [7], "color": 1}}}')
    wait_for("it was refused", lambda: "/deployments/blue/color is not known" in machine.router.log())
    assert machine.client.post("/score").json()["by"] == "blue"
    assert "the weights sum up to 30" in machine.router.log()
    assert machine.metric('slipway_router_config_reloads_total{result="refused"}') >= 1


def test_a_request_that_waits_for_a_deployment_that_is_removed_goes_to_another(world: World) -> None:
    machine, blue, _ = world
    machine.write({"asleep": {"weight": 100, "processes": []}})
    with asking(machine, "/score") as found:
        wait_for("it is held", lambda: machine.metric('slipway_router_held{deployment="asleep"}') == 1)
        machine.write({"blue": {"weight": 100, "processes": [blue]}})
    assert found[0].json()["by"] == "blue"


def test_callers_of_one_address_stay_together(world: World) -> None:
    machine, blue, green = world
    both = {"blue": {"weight": 50, "processes": [blue]}, "green": {"weight": 50, "processes": [green]}}
    machine.write(both, sticky={"by": "client"})
    assert len({machine.client.get("/score").json()["by"] for _ in range(20)}) == 1
    machine.write(both)
    assert len({machine.client.get("/score").json()["by"] for _ in range(20)}) == 2


def test_sighup_reads_the_file_again(world: World) -> None:
    machine, _, _ = world
    taken = 'slipway_router_config_reloads_total{result="taken"}'
    before = machine.metric(taken)
    machine.router.process.send_signal(signal.SIGHUP)
    wait_for("it was read", lambda: machine.metric(taken) == before + 1)


def test_callers_show_a_key_and_servers_never_see_it(world: World) -> None:
    machine, blue, green = world
    digest = hashlib.sha256(b"open sesame").hexdigest()
    both = {"blue": {"weight": 100, "processes": [blue]}, "green": {"mirror_percent": 50, "processes": [green]}}
    machine.write(both, access={"mode": "key", "key_sha256": [digest]})
    refused = machine.client.post("/score", content="body")
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Bearer realm="scoring"')
    assert refused.headers["content-type"] == "application/problem+json"
    wrong = machine.client.get("/", headers={"authorization": "Bearer open"})
    assert (wrong.status_code, "invalid_token" in wrong.headers["www-authenticate"]) == (401, True)
    twice = [("authorization", "Bearer open sesame"), ("authorization", "Bearer open sesame")]
    assert machine.client.get("/", headers=twice).status_code == 401
    taken = machine.client.post("/score", headers={"authorization": "Bearer open sesame", "x-more": "1"})
    assert (taken.status_code, taken.json()["headers"]["x-more"]) == (200, "1")
    assert "authorization" not in taken.json()["headers"]
    assert machine.metric("slipway_router_unauthorized_total") == 3
    assert "sesame" not in machine.router.log() + machine.metrics()
    machine.write(both, access={"mode": "key", "key_sha256": []})
    assert machine.client.get("/", headers={"authorization": "Bearer open sesame"}).status_code == 401
    machine.write(both)
