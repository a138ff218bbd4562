"""A reader at work: a folder like the checkout, `slipway up` on it, and one shell that the page's commands run in."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.docs.markdown import ROOT, Page
from tests.docs.transcript import Step, matches, steps_of

SHOWN_FOLDER = "/home/me/slipway"  # what pages show for the checkout's folder
PORTS = ("7071", "8085")  # what pages show for the server's port, and for a port of the reader's own
REACHABLE = ("examples", "infra", "schemas")
START_TIMEOUT_S = 30.0
STEP_TIMEOUT_S = 240.0  # the demo resolves and installs an environment, on a busy machine
RECEIVER = "receiver.py"  # what pages start in the background, which listens on the second port
REPEAT_FOR_S = 15.0
REPEAT_PAUSE_S = 0.3
UP = re.compile(r"((?:\w+=\S+ )*)slipway up")
# Commands that are not typed here as they are shown: what make installs first is installed, and Ctrl-C is pressed.
TYPED = {"make demo": "python examples/demo.py"}
FOLLOW, FOLLOW_FOR_S = "slipway event follow", 3
# What a reader copies from what was printed into the next command.
_COPIED = re.compile(r"\b[bu]-[0-9a-f]{24}\b|\b[0-9a-f]{64}\b|(?<=expires=)\d+|(?<=\")[0-9a-f]{32}(?=\")")


class Session:
    """Use it as a context manager; `run` gives what a command prints, as the page would show it."""

    def __init__(self, folder: Path, page: Page) -> None:
        self._folder = folder / "slipway"
        self._port = {shown: str(_free_port()) for shown in PORTS}
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")} | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "LC_ALL": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
        }
        self._settings = _settings_of(page)
        self._copied: dict[str, str] = {}  # what the page shows -> what was printed here
        self._code = 0

    def __enter__(self) -> Session:
        self._folder.mkdir()
        for name in REACHABLE:
            (self._folder / name).symlink_to(ROOT / name)
        self._log = (self._folder.parent / "up.log").open("wb")
        command = ["slipway", "up", "--port", self._port[PORTS[0]]]
        settings = {name: self._actual(value) for name, value in self._settings.items()}
        self._up = self._start(command, settings, stdout=self._log, stderr=subprocess.STDOUT)
        self._shell = self._start(["bash", "--norc", "--noprofile"], {}, stdin=subprocess.PIPE)
        endpoint, deadline = self._folder / ".slipway" / "endpoint.json", time.monotonic() + START_TIMEOUT_S
        while not (endpoint.exists() and "Ctrl-C" in self._greeting()):
            if self._up.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise RuntimeError(f"slipway up did not start:\n{self._greeting()}")
            time.sleep(0.05)
        return self

    def __exit__(self, *exc_info: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._shell.pid, signal.SIGTERM)  # and what a command left running
        with contextlib.suppress(BrokenPipeError):
            self._shell.communicate(timeout=STEP_TIMEOUT_S)
        self._up.send_signal(signal.SIGINT)
        self._up.wait(STEP_TIMEOUT_S)
        self._log.close()

    def write(self, name: str, text: str) -> None:
        """Put a file of the page where the reader has it."""
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._actual(text) + "\n")

    def run(self, step: Step) -> tuple[str, int]:
        """What the command printed, and its exit code. One that changes nothing is repeated until it prints what is
        expected: a reader types more slowly than events travel."""
        if UP.fullmatch(step.command):
            return self._shown(self._greeting()), 0
        deadline = time.monotonic() + REPEAT_FOR_S
        before = self._code
        while True:
            output, self._code = self._execute(step.command, before)
            if matches(step.expected, output):
                self._learn(step.expected, output)
                return self._shown(output), self._code
            if not step.may_be_repeated or time.monotonic() > deadline:
                return self._shown(output), self._code
            time.sleep(REPEAT_PAUSE_S)

    def _learn(self, expected: str, output: str) -> None:
        shown, printed = _COPIED.findall(expected), _COPIED.findall(output)
        if len(shown) == len(printed):
            self._copied |= {s: p for s, p in zip(shown, printed, strict=True) if s not in self._copied}

    def _execute(self, command: str, previous_code: int) -> tuple[str, int]:
        script, output, code = (self._folder.parent / name for name in ("step.sh", "step.out", "step.code"))
        script.write_text(self._actual(_typed(command)) + "\n")
        code.unlink(missing_ok=True)
        line = (
            f"(exit {previous_code}); . {script} >{output} 2>&1 </dev/null; echo $? >{code}.new; mv {code}.new {code}\n"
        )
        assert self._shell.stdin is not None
        self._shell.stdin.write(line.encode())
        self._shell.stdin.flush()
        deadline = time.monotonic() + STEP_TIMEOUT_S
        while not code.exists():
            if self._shell.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"no end after {STEP_TIMEOUT_S:g} s: {command}\n{output.read_text()}")
            time.sleep(0.02)
        if command.endswith("&") and (PORTS[1] in command or RECEIVER in command):
            self._await_port(self._port[PORTS[1]], deadline)
        return self._shown(output.read_text(errors="replace")), int(code.read_text())

    def _await_port(self, port: str, deadline: float) -> None:
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", int(port))) == 0 or time.monotonic() > deadline:
                    return
            time.sleep(0.05)

    def _start(self, command: list[str], settings: dict[str, str], **pipes: object) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            cwd=self._folder,
            env=self._environment | settings,
            start_new_session=True,
            **pipes,  # type: ignore[call-overload]
        )

    def _greeting(self) -> str:
        return (self._folder.parent / "up.log").read_text()

    def _actual(self, text: str) -> str:
        for shown, port in self._port.items():
            text = re.sub(rf"\b{shown}\b", port, text)
        for shown, printed in self._copied.items():
            text = text.replace(shown, printed)
        return text.replace(SHOWN_FOLDER, str(self._folder))

    def _shown(self, text: str) -> str:
        for shown, port in self._port.items():
            text = re.sub(rf"(?<=[: ]){port}\b", shown, text)
        for shown, printed in self._copied.items():
            text = text.replace(printed, shown)
        return text.replace(str(self._folder), SHOWN_FOLDER)


def _settings_of(page: Page) -> dict[str, str]:
    """The settings that the page's own `NAME=value slipway up` gives."""
    commands = [step.command for block in page.runnable for step in steps_of(block.text, block.line)]
    found = [match[1] for match in map(UP.fullmatch, commands) if match is not None]
    return dict(setting.split("=", 1) for each in found for setting in each.split())


def _typed(command: str) -> str:
    if command.startswith(FOLLOW):
        return f"timeout --preserve-status -s INT {FOLLOW_FOR_S} {command}"
    return TYPED.get(command, command)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
