"""Starting, signalling and limiting processes on Linux, their log files, and whether one is ready."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from shared.adapters.local.process_types import LISTEN_VARIABLE, ResourceLimits

BACKLOG = 2_048
LOG = "log"
PREVIOUS_LOG = "log.1"
PROBE_TIMEOUT_S = 2.0
_TAIL_BYTES = 16_384


def spawn(
    arguments: tuple[str, ...],
    environ: Mapping[str, str],
    folder: Path,
    log_path: Path,
    limits: ResourceLimits,
    listener: socket.socket | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, so that it outlives the controller and is killed with all it started.
    It gets `listener`. Raises OSError when it can't be started."""
    passed = () if listener is None else (listener.fileno(),)
    with log_path.open("ab") as log:  # appending: it can be cut while the process writes
        process = subprocess.Popen(
            arguments,
            cwd=folder,
            env=dict(environ) | ({LISTEN_VARIABLE: str(passed[0])} if passed else {}),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=passed,
        )
    with contextlib.suppress(ProcessLookupError):  # it has ended already, which is seen at the next look
        _limit(process.pid, limits)
    return process


def _limit(pid: int, limits: ResourceLimits) -> None:
    """From outside: a function that runs between fork and exec may hang in a program with threads."""
    for kind, value in ((resource.RLIMIT_DATA, limits.memory_bytes), (resource.RLIMIT_NOFILE, limits.open_files)):
        if value is not None:
            resource.prlimit(pid, kind, (value, value))
    if limits.cpus:
        os.sched_setaffinity(pid, limits.cpus)


def listening_socket(port: int) -> socket.socket | None:
    """A socket that listens on this port of loopback; None when it is taken: then its process says so. While it is
    open, the kernel keeps connections waiting, whether a process takes them or is being started."""
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        return None
    return listener


def terminate(pid: int) -> None:
    """SIGTERM to the process alone: it ends its own children in its own way."""
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return


def kill_group(pid: int) -> None:
    """SIGKILL to whatever is left of its session's process group; nothing happens when nobody is."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def exit_text(code: int | None) -> str:
    """How a process ended, for people. None: it was another's child, whose code nobody told."""
    if code is None:
        return "ended; how is not known, an earlier controller had started it"
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"ended by signal {-code}"


def bound_log(folder: Path, max_bytes: int) -> None:
    """Keep the log and the one before it at max_bytes each, as logrotate's copytruncate does. What a process writes
    between the copy and the cut is lost."""
    path = folder / LOG
    try:
        size_bytes = path.stat().st_size
    except FileNotFoundError:
        return
    if size_bytes <= max_bytes:
        return
    with path.open("rb+") as log:
        log.seek(size_bytes - max_bytes)
        (folder / PREVIOUS_LOG).write_bytes(log.read(max_bytes))
        log.truncate(0)


def log_tail(folder: Path, lines: int) -> str:
    """The newest lines of the log, the one before it included; "" for none."""
    text = b""
    for name in (PREVIOUS_LOG, LOG):
        try:
            with (folder / name).open("rb") as log:
                log.seek(max(0, os.fstat(log.fileno()).st_size - _TAIL_BYTES))
                text += log.read(_TAIL_BYTES)
        except FileNotFoundError:
            continue
    return "\n".join(text.decode(errors="replace").splitlines()[-lines:])


async def is_ready(url: str) -> bool:
    """Whether GET answers with a status from 200 to 399, as Kubernetes' HTTP probes take it; True for ""."""
    if not url:
        return True
    parts = urlsplit(url)
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
            request = f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
            writer.write(request.encode())
            line = await reader.readline()
    except (OSError, TimeoutError):
        return False
    finally:
        if writer is not None:
            writer.close()
    words = line.split(b" ")
    return len(words) > 1 and words[1].isdigit() and 200 <= int(words[1]) < 400
