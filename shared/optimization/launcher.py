"""Starts a program under limits and ends it with everything it started: `python -I launcher.py`, a job on standard
input. It stands alone: it runs by the Python of any environment.

Standard output is the program's own; standard error is this script's report, a line of JSON for each thing that is so:
{"protections": [...]}, {"stopped": why}, {"code": n} or {"signal": n}.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import runpy
import signal
import sys
import time
from pathlib import Path
from typing import Any

CONFINEMENT = str(Path(__file__).with_name("confinement.py"))
WATCH_S = 0.05
KILLING_S = 5.0
# linux/sched.h, sys/mount.h, linux/prctl.h, linux/mount.h
NEW_USER, NEW_MOUNTS, NEW_NETWORK, NEW_IPC, NEW_PROCESSES = 0x10000000, 0x00020000, 0x40000000, 0x08000000, 0x20000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
SET_PDEATHSIG, CAPBSET_DROP, SET_SECUREBITS, SET_CHILD_SUBREAPER, SET_NO_NEW_PRIVS, CAP_AMBIENT = 1, 24, 28, 36, 38, 47
NO_SETUID_FIXUP, AMBIENT_RAISE, CAPABILITY_VERSION_3 = 4, 2, 0x20080522
MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE, ATTR_RDONLY = 442, -100, 0x8000, 1
LAST_CAPABILITY, DAC_READ_SEARCH = 63, 2
FIRST_USER, USERS = 61184, 4336  # systemd's range for users that exist as long as a process
_NAMESPACES = ((NEW_NETWORK, "no network"), (NEW_IPC, "no shared memory"), (NEW_PROCESSES, "own processes"))


def main() -> None:
    """One job; exits with 0 whatever became of the program, which the report tells."""
    job = json.load(sys.stdin)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    parent, job["number"] = os.getppid(), os.getpid()
    job["tasks"] = _tasks_of_user() if os.geteuid() != 0 else 0
    _prctl(SET_CHILD_SUBREAPER, 1)
    isolated = _isolate()
    first = os.fork()
    if first == 0:
        _first_process(job, isolated)
    try:
        _watch(first, parent, job)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        kill_all(first)


def _report(**said: Any) -> None:
    os.write(2, json.dumps(said).encode() + b"\n")


def _prctl(*arguments: int) -> bool:
    if sys.platform != "linux":
        return False
    return bool(ctypes.CDLL(None).prctl(*arguments, *(0,) * (5 - len(arguments))) == 0)


def _isolate() -> list[str]:
    """Leave the namespaces of the caller, each where the system allows it; what is so now."""
    if sys.platform != "linux":
        return []
    libc = ctypes.CDLL(None)
    found: list[str] = []
    user, group = os.geteuid(), os.getegid()
    if user != 0 and libc.unshare(NEW_USER) == 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    for flag, name in _NAMESPACES:
        if libc.unshare(flag) == 0:
            found.append(name)
    return found


def _first_process(job: dict[str, Any], isolated: list[str]) -> None:
    """The first process of the new namespace: with it, the kernel ends every other one there."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _prctl(SET_PDEATHSIG, signal.SIGKILL)
    in_force = isolated + _close_files(job["scratch"], hide_processes="own processes" in isolated)
    program = os.fork()
    if program == 0:
        try:
            in_force += _become_another_user(job)
            in_force += _limit(job)
            _prctl(SET_NO_NEW_PRIVS, 1)
            in_force += runpy.run_path(CONFINEMENT)["confine"](job["scratch"])
            _report(protections=in_force)
            _execute(job)
        except (OSError, ValueError, KeyError) as error:
            _report(stopped=f"the program cannot be started: {error}")
            os._exit(127)
    while True:
        ended, status = os.wait()
        if ended == program:
            break
    _report(**({"signal": os.WTERMSIG(status)} if os.WIFSIGNALED(status) else {"code": os.WEXITSTATUS(status)}))
    os._exit(0)


def _close_files(scratch: str, *, hide_processes: bool) -> list[str]:
    """Make every file system read-only but `scratch`, in a view of its own: the launcher still sees all processes."""
    libc = ctypes.CDLL(None)
    found: list[str] = []
    if sys.platform != "linux" or libc.unshare(NEW_MOUNTS) != 0:
        return []
    libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    if hide_processes and libc.mount(b"proc", b"/proc", b"proc", 0, None) == 0:
        found.append("hidden processes")
    place = os.fsencode(scratch)
    if libc.mount(place, place, None, MS_BIND, None) == 0 and _read_only(b"/", AT_RECURSIVE, True):
        if _read_only(place, 0, False):
            return [*found, "read-only file system"]
        raise OSError(f"{scratch} cannot be made writable again")
    return found


def _read_only(path: bytes, flags: int, on: bool) -> bool:
    attributes = (ctypes.c_uint64 * 4)(ATTR_RDONLY if on else 0, 0 if on else ATTR_RDONLY, 0, 0)
    call = (ctypes.c_long(MOUNT_SETATTR), ctypes.c_long(AT_FDCWD), ctypes.c_char_p(path), ctypes.c_long(flags))
    return bool(ctypes.CDLL(None).syscall(*call, ctypes.byref(attributes), ctypes.c_size_t(32)) == 0)


def _become_another_user(job: dict[str, Any]) -> list[str]:
    """Give up what the caller may: every capability, and root's name for one that only this program has, whose
    processes the kernel can count. What root could read, it can read: environments may lie anywhere."""
    root = os.geteuid() == 0 and sys.platform == "linux"
    for capability in range(LAST_CAPABILITY + 1):
        if capability != DAC_READ_SEARCH or not root:
            _prctl(CAPBSET_DROP, capability)
    if not root:
        return []
    user, scratch = FIRST_USER + job["number"] % USERS, job["scratch"]
    _prctl(SET_SECUREBITS, NO_SETUID_FIXUP)  # otherwise access(2) goes by the user alone, and finds no file
    try:
        for folder, folders, files in os.walk(scratch):
            for name in (".", *folders, *files):
                os.chown(os.path.join(folder, name), user, user, follow_symlinks=False)
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    except OSError:  # a container may have no such user: it stays root, in name alone
        _set_capabilities(0)
        return ["no capabilities"]
    _set_capabilities(1 << DAC_READ_SEARCH)
    _prctl(CAP_AMBIENT, AMBIENT_RAISE, DAC_READ_SEARCH)
    return ["own user"]


def _set_capabilities(mask: int) -> None:
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    if ctypes.CDLL(None).capset(ctypes.byref(header), ctypes.byref(data)) != 0:
        raise OSError("capabilities cannot be given up")


def _limit(job: dict[str, Any]) -> list[str]:
    """Never above what this process may have already."""
    names = {"RLIMIT_AS": "memory", "RLIMIT_CPU": "processor time", "RLIMIT_FSIZE": "file size", "RLIMIT_CORE": ""}
    wanted = dict(zip(names, (job["memory_bytes"], job["cpu_s"], job["file_bytes"], 0), strict=True))
    if os.geteuid() != 0:  # the kernel does not limit root's processes; `_watch` does
        names["RLIMIT_NPROC"], wanted["RLIMIT_NPROC"] = "processes", job["processes"] + job["tasks"]
    for name, value in wanted.items():
        which = getattr(resource, name)
        _, hard = resource.getrlimit(which)
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (allowed, allowed))
    return [f"limit of {name}" for name in names.values() if name]


def _tasks_of_user() -> int:
    """Threads that the user has already: RLIMIT_NPROC counts them all, before Linux 5.14 in every namespace."""
    mine = [path for path in Path("/proc").glob("[0-9]*") if path.exists() and path.stat().st_uid == os.getuid()]
    return sum(len(list(path.glob("task/*"))) for path in mine)


def _execute(job: dict[str, Any]) -> None:
    os.umask(0o077)
    os.chdir(job["scratch"])
    os.dup2(1, 2)
    os.execve(job["command"][0], job["command"], job["environment"])  # noqa: S606 - no shell is meant


def _watch(first: int, parent: int, job: dict[str, Any]) -> None:
    """Until the program ends, takes more than it may, or nobody waits for it any more."""
    until = time.monotonic() + job["timeout_s"]
    while os.waitpid(first, os.WNOHANG)[0] == 0:
        time.sleep(WATCH_S)
        running = descendants(os.getpid(), job["processes"])
        if time.monotonic() > until:
            return _report(stopped=f"it took longer than {job['timeout_s']:g} s")
        if len(running) > job["processes"]:
            return _report(stopped=f"it had more than {job['processes']} processes")
        if sum(map(resident_bytes, running)) > job["memory_bytes"]:
            return _report(stopped=f"it needed more than {job['memory_bytes']} bytes of memory")
        if os.getppid() != parent:
            return None
    return None


def descendants(pid: int, most: int = 10_000) -> list[int]:
    """Every process that descends from this one, the nearest first; not many more than `most`."""
    found: list[int] = []
    left = [pid]
    while left and len(found) <= most:
        children = [child for task in _tasks(left.pop(0)) for child in _children(task)]
        found += children
        left += children
    return found


def _tasks(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:  # it has ended
        return []


def _children(task: Path) -> list[int]:
    try:
        return [int(word) for word in (task / "children").read_text().split()]
    except OSError:  # the thread has ended; those of the others still count
        return []


def resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, IndexError):  # it has ended
        return 0


def kill_all(first: int = 0) -> None:
    """Kill every process below this one (where they cannot be found: `first`), again until none is left, for at most
    KILLING_S: what loses its parent becomes the child of this one, which is a subreaper (prctl(2))."""
    until = time.monotonic() + KILLING_S
    while (left := descendants(os.getpid()) or ([first] if first else [])) and time.monotonic() < until:
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                continue
        except ChildProcessError:
            return
        time.sleep(0.005)


if __name__ == "__main__":
    main()
