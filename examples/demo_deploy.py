"""The second part of the demo: deploy two versions of the model behind one endpoint, and roll the newer one out."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
from demo_steps import Demo, Wrong, say

ROW = {"data": [[0.04, 0.05, 0.06, 0.02, -0.04, -0.03, -0.04, 0, 0.02, -0.02]]}
PROGRESSION = 195.186  # what onnxruntime makes of ROW, by the model file itself
BUILD_TIMEOUT_S = 300.0  # the scoring environment is resolved and installed once
ROLLOUT_TIMEOUT_S = 120.0
REQUEST_PAUSE_S = 0.01

ENDPOINT = """\
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json
name: {name}
traffic: {{blue: 100}}
"""
DEPLOYMENT = """\
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json
name: {color}
endpoint_name: {name}
model: azureml:{model}
instance_type: Standard_DS3_v2
instance_count: 1
"""
ROLLOUT = """\
name: {name}-green
endpoint_name: {name}
stable: blue
candidate: green
strategy:
  type: canary
  steps:
    - {{weight_percent: 10, duration_s: 5}}
    - {{weight_percent: 50, duration_s: 5}}
analysis:
  checks:
    - {{metric: success_rate, at_least: 0.99, min_samples: 50}}
"""


@dataclass(frozen=True)
class Address:
    """Where an endpoint is asked, and with which key."""

    scoring_uri: str
    key: str = field(repr=False)


def deploy(demo: Demo, name: str) -> Address:
    """Declare the endpoint with its first deployment, and ask it. Raises Wrong for a wrong answer."""
    folder = demo.work_dir / "declared"
    folder.mkdir()
    (folder / "endpoint.yml").write_text(ENDPOINT.format(name=name))
    (folder / "blue.yml").write_text(DEPLOYMENT.format(name=name, color="blue", model=f"{demo.name}:1"))
    (demo.work_dir / "row.json").write_text(json.dumps(ROW))
    say(demo.cli("apply", "-f", "declared"))
    return _ready(demo, name)


def _ready(demo: Demo, name: str) -> Address:
    timeout = f"{BUILD_TIMEOUT_S:g}"
    say(demo.cli("endpoint", "show", name, "--wait", "--timeout-s", timeout, timeout_s=BUILD_TIMEOUT_S + 10))
    answer = demo.cli("endpoint", "invoke", name, "-f", "row.json").strip()
    say("   -> " + answer)
    if abs(json.loads(answer)[0] - PROGRESSION) > 0.01:
        raise Wrong(f"the endpoint answered {answer}, not {PROGRESSION}")
    shown = json.loads(demo.cli("endpoint", "show", name, "-o", "json", quiet=True))
    keys = json.loads(demo.cli("endpoint", "get-credentials", name, "-o", "json", quiet=True))
    return Address(shown["scoring_uri"], keys["primary_key"])


def roll_out(demo: Demo, name: str, address: Address, newest: int) -> None:
    """Bring the newest version in under load. Raises Wrong when it isn't promoted, or when a request failed."""
    green = DEPLOYMENT.format(name=name, color="green", model=f"{demo.name}:{newest}")
    (demo.work_dir / "declared" / "green.yml").write_text(green)
    (demo.work_dir / "rollout.yml").write_text(ROLLOUT.format(name=name))
    say(demo.cli("apply", "-f", "declared"))
    demo.cli("endpoint", "show", name, "--wait", "--timeout-s", "120", timeout_s=130, quiet=True)
    with asked_all_the_time(address) as answers:
        demo.cli("rollout", "start", "-f", "rollout.yml")
        say(demo.cli("rollout", "watch", f"{name}-green", timeout_s=ROLLOUT_TIMEOUT_S))
    if set(answers) != {200}:
        raise Wrong(f"requests were answered with {sorted(set(answers))} while the rollout went on")
    say(f"   -> {len(answers)} requests meanwhile, every one of them answered with 200")
    say(demo.cli("endpoint", "show", name))


@contextmanager
def asked_all_the_time(address: Address) -> Iterator[list[int]]:
    """Requests one after another meanwhile; yields the list that their status codes go to (0: no answer)."""
    answers: list[int] = []
    stop = threading.Event()

    def ask() -> None:
        headers = {"Authorization": f"Bearer {address.key}"}
        with httpx.Client(timeout=30, trust_env=False, headers=headers) as client:
            while not stop.wait(REQUEST_PAUSE_S):
                try:
                    answers.append(client.post(address.scoring_uri, json=ROW).status_code)
                except httpx.HTTPError:
                    answers.append(0)

    caller = threading.Thread(target=ask)
    caller.start()
    try:
        yield answers
    finally:
        stop.set()
        caller.join()


def take_away(demo: Demo, name: str) -> None:
    """Delete what was declared, so that nothing of it runs on."""
    for kind, one in (("deployment", f"{name}.blue"), ("deployment", f"{name}.green"), ("endpoint", name)):
        demo.cli("delete", f"online-{kind}", one, "--yes")
