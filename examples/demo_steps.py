"""The steps of the demo (demo.py tells them in order), each of which checks what came of it."""

from __future__ import annotations

import hashlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import httpx
from webhook_receiver import Receiver

from shared.cli.connection import Connection

T = TypeVar("T")

MODEL = Path(__file__).with_name("diabetes")
REGISTERED = "Microsoft.MachineLearningServices.ModelRegistered"
SLIPWAY = [sys.executable, "-m", "shared.cli.main"]
START_TIMEOUT_S = 30.0
STEP_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 20.0


class Wrong(Exception):
    """Something was not as it should be."""


def say(text: str = "") -> None:
    """Print a line at once."""
    print(text, flush=True)


def until(what: str, look: Callable[[], T | None], timeout_s: float = STEP_TIMEOUT_S) -> T:
    """What `look` finds, once it finds something. Raises Wrong after timeout_s."""
    end = time.monotonic() + timeout_s
    while (found := look()) is None:
        if time.monotonic() > end:
            raise Wrong(f"waited {timeout_s:g} s for {what}, in vain")
        time.sleep(0.1)
    return found


# --- the server ----------------------------------------------------------------------------------------------------
@contextmanager
def started_slipway(data_dir: Path) -> Iterator[str]:
    """`slipway up` on the folder; yields its URL, and ends it as Ctrl-C does. Raises Wrong when it does not start, or
    does not stop cleanly."""
    log = data_dir.parent / "slipway.log"
    with log.open("wb") as output:
        command = [*SLIPWAY, "up", "--data-dir", str(data_dir), "--port", "0"]
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    announced = data_dir / "endpoint.json"

    def look() -> str | None:
        if process.poll() is not None:
            raise Wrong(f"`slipway up` ended with {process.returncode}:\n{log.read_text()}")
        return str(json.loads(announced.read_text())["url"]) if announced.exists() else None

    try:
        yield until("`slipway up` to listen", look, START_TIMEOUT_S)
        _stop(process, log)
    finally:
        if process.poll() is None:
            _end(process)


def _stop(process: subprocess.Popen[bytes], log: Path) -> None:
    process.send_signal(signal.SIGINT)
    try:
        code = process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise Wrong(f"`slipway up` did not stop within {STOP_TIMEOUT_S:g} s after Ctrl-C") from error
    if code != 0:
        raise Wrong(f"`slipway up` ended with {code} after Ctrl-C:\n{log.read_text()}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """As Ctrl-C, so that what it runs for endpoints ends with it; by force when that takes too long."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


# --- the story -----------------------------------------------------------------------------------------------------
class Demo:
    """The steps, on one server. `data_dir` is None when its files are out of reach."""

    def __init__(self, url: str, key: str, data_dir: Path | None, name: str, work_dir: Path) -> None:
        self.name = name
        self.data_dir = data_dir
        self.work_dir = work_dir
        self.manifest = (MODEL / "model.yml").read_text().replace("name: diabetes\n", f"name: {name}\n")
        self.url = url
        self.on_this_machine = urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
        scope = os.environ.get("SLIPWAY_SCOPE") or None
        self.by_token = ["--auth", "entra"] if scope else []  # the command reads the scope itself
        self.connection = Connection(url, self.on_this_machine, key=key or None, scope=scope)
        self.client = httpx.Client(timeout=60, trust_env=not self.on_this_machine)  # no proxy for this machine
        self.environment = {**os.environ, "SLIPWAY_URL": url, "SLIPWAY_KEY": key}

    def request(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """The answer. Raises Wrong for an error."""
        response = self.client.request(method, f"{self.url}/api/{path}", json=body, headers=self.connection.headers())
        if response.status_code >= 400:
            raise Wrong(f"{method} /api/{path} was answered with {response.status_code}: {response.text}")
        return response

    def cli(self, *arguments: str, timeout_s: float = 60, quiet: bool = False) -> str:
        """What the `slipway` command prints; `quiet`: the command itself is not shown. Raises Wrong when it fails."""
        if not quiet:
            say(f"   $ slipway {' '.join(arguments)}")
        command = [*SLIPWAY, *arguments, *self.by_token]
        try:
            done = subprocess.run(
                command, env=self.environment, cwd=self.work_dir, capture_output=True, text=True, timeout=timeout_s
            )
        except subprocess.TimeoutExpired as error:
            raise Wrong(f"slipway {' '.join(arguments)} took longer than {timeout_s:g} s: {error.stderr}") from error
        if done.returncode != 0:
            raise Wrong(f"slipway {arguments[0]} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def versions(self) -> list[str]:
        """The versions there are, oldest first."""
        response = self.client.get(f"{self.url}/api/models/{self.name}/versions", headers=self.connection.headers())
        if response.status_code not in (200, 404):
            raise Wrong(f"the list of versions was answered with {response.status_code}: {response.text}")
        return [] if response.status_code == 404 else [item["version"] for item in response.json()["items"]][::-1]

    def expect_versions(self, count: int) -> None:
        """Wait until there are versions 1 to count. Raises Wrong for others."""
        expected = [str(number) for number in range(1, count + 1)]
        found = until(f"version {count}", lambda: v if len(v := self.versions()) >= count else None)
        if found != expected:
            raise Wrong(f"the versions are {found}, not {expected}")
        say(f"   -> {self.name}:{count}")

    def subscribe(self, receiver: Receiver) -> None:
        """Have events delivered to the receiver."""
        body = {"endpoint_url": receiver.url, "included_event_types": [REGISTERED]}
        state = self.request("PUT", f"subscriptions/{self.name}", body).json()["state"]
        if state != "Succeeded":
            raise Wrong(f"the subscription is {state}")
        say(f"   -> {receiver.url} answered the validation handshake")

    def unsubscribe(self) -> None:
        """Nothing is owed to the receiver any more."""
        self.request("DELETE", f"subscriptions/{self.name}")

    def drop_files(self, data_dir: Path) -> None:
        """Way one: files copied into a folder, the manifest first; the model may come later."""
        folder = data_dir / "uploads" / self.name
        folder.mkdir(parents=True)
        (folder / "model.yml").write_text(self.manifest)
        shutil.copy(MODEL / "model.onnx", folder)
        say(f"   copied model.yml and model.onnx into {folder}")

    def send_by_rest(self) -> None:
        """Way two: ask where to send the files, send them, register."""
        content = (MODEL / "model.onnx").read_bytes()
        files = [{"path": "model.onnx", "size_bytes": len(content)}]
        session = self.request("POST", "uploads", {"files": files}).json()
        say(f"   POST /api/uploads -> {session['upload_id']}")
        target = session["files"][0]
        # The signed URL is its own credential: no key goes with it.
        sent = self.client.put(urljoin(self.url, target["url"]), content=content, headers=target["headers"])
        say(f"   PUT {urlsplit(target['url']).path} -> {sent.status_code}")
        if sent.status_code != 201:
            raise Wrong(f"the file was answered with {sent.status_code}: {sent.text}")
        made = self.request("POST", "models", {"upload_id": session["upload_id"], "manifest": self.manifest})
        say(f"   POST /api/models -> {made.status_code} {made.json().get('id', made.json().get('phase'))}")

    def own_copy(self) -> Path:
        """Way three is `slipway model push` of this folder: the example under the demo's name."""
        folder = self.work_dir / self.name
        folder.mkdir()
        (folder / "model.yml").write_text(self.manifest)
        shutil.copy(MODEL / "model.onnx", folder)
        return folder

    def prove_download(self) -> None:
        """Download version 1 and compare its SHA-256 with the example's own file."""
        self.cli("model", "download", f"{self.name}:1", "--output-dir", "download")
        paths = (MODEL / "model.onnx", self.work_dir / "download" / "model.onnx")
        original, downloaded = (hashlib.sha256(path.read_bytes()).hexdigest() for path in paths)
        if original != downloaded:
            raise Wrong(f"the download has SHA-256 {downloaded}, the example {original}")
        say(f"   -> SHA-256 {downloaded} is the example's own")

    def show_events(self, receiver: Receiver, count: int) -> None:
        """The events that were delivered, one for each version. Raises Wrong when one does not come."""
        wanted = {f"models/{self.name}:{number}" for number in range(1, count + 1)}
        arrived: dict[str, dict[str, Any]] = {}
        end = time.monotonic() + STEP_TIMEOUT_S
        while {event["subject"] for event in arrived.values()} != wanted:
            try:
                event = receiver.events.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty as error:
                raise Wrong(f"of {sorted(wanted)} only {len(arrived)} events arrived") from error
            if event["subject"] in wanted:
                arrived[event["id"]] = event
        for event in sorted(arrived.values(), key=lambda event: event["subject"]):
            say(f"   {event['eventTime']}  {event['eventType'].rpartition('.')[2]}  {event['subject']}")
