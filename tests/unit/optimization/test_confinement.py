"""What a process gives up without anybody's leave holds by itself, without namespaces, as in a pod."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from shared.optimization import confinement

TRY = """
import ctypes, json, os, runpy, socket, sys
ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
script, folder, outside = sys.argv[1:]
found = {"said": runpy.run_path(script)["confine"](folder)}
def tried(name, call):
    try:
        call()
        found[name] = "done"
    except OSError as error:
        found[name] = type(error).__name__
tried("socket", socket.socket)
tried("pair of sockets", socket.socketpair)
tried("child's socket", lambda: os.waitstatus_to_exitcode(os.system(
    f"{sys.executable} -c 'import socket; socket.socket(socket.AF_INET6)' 2> /dev/null")) and socket.socket())
tried("own file", lambda: open(f"{folder}/a", "w").close())
tried("own folder", lambda: (os.mkdir(f"{folder}/b"), os.rename(f"{folder}/a", f"{folder}/b/a")))
tried("other file", lambda: open(f"{outside}/a", "w"))
tried("appending", lambda: open(f"{outside}/there", "a"))
tried("cutting", lambda: os.truncate(f"{outside}/there", 0))
tried("removing", lambda: os.unlink(f"{outside}/there"))
tried("reading", lambda: open(f"{outside}/there").read())
print(json.dumps(found))
"""


def test_sockets_and_writing_elsewhere_are_refused(tmp_path: Path) -> None:
    own, outside = tmp_path / "own", tmp_path / "outside"
    own.mkdir()
    outside.mkdir()
    (outside / "there").write_text("kept")
    script = Path(confinement.__file__)
    command = [sys.executable, "-I", "-c", TRY, str(script), str(own), str(outside)]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    said = found.pop("said")
    if not said:
        pytest.skip("this system has neither seccomp filters nor Landlock")
    refused = "PermissionError"
    network = refused if "no sockets" in said else "done"
    files = refused if "writes in its folder only" in said else "done"
    assert found == {
        **{"socket": network, "child's socket": network, "pair of sockets": "done"},
        **{"own file": "done", "own folder": "done", "reading": "done"},
        **dict.fromkeys(("other file", "appending", "cutting", "removing"), files),
    }
    assert (outside / "there").read_text() == "kept"
