"""What a process can give up without anybody's leave: making sockets, and writing outside of one folder. It stands
alone, as the launcher beside it does: it runs by the Python of any environment.

Namespaces do more, but in a pod under Pod Security's `restricted` nobody may make any: the runtime's seccomp filter
refuses them. Seccomp filters and Landlock (seccomp(2), landlock(7)) are for everybody, and hold for every child.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

SET_SECCOMP, FILTER = 22, 2  # prctl(2)
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # linux/audit.h
SOCKET = {"x86_64": 41, "aarch64": 198}
IO_URING_SETUP, X32_BIT = 425, 0x40000000  # rings make sockets, too
AF_UNIX = 1
# linux/bpf_common.h, linux/seccomp.h
LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # struct seccomp_data; little-endian: the lower half of an argument
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | 1  # EPERM
# Landlock
CREATE_RULESET, ADD_RULE, RESTRICT_SELF, PATH_BENEATH = 444, 445, 446, 1
WRITE_FILE, TRUNCATE = 1 << 1, 1 << 14
# remove_dir, remove_file, make_char, make_dir, make_reg, make_sock, make_fifo, make_block, make_sym
CHANGES = sum(1 << bit for bit in range(4, 13))
REFER, REFER_SINCE, TRUNCATE_SINCE = 1 << 13, 2, 3
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


def confine(folder: str) -> list[str]:
    """Do both for this process and its children, after PR_SET_NO_NEW_PRIVS; what is so now. A system that has one of
    them not goes without it."""
    if sys.platform != "linux":
        return []
    without_sockets = _refuse_sockets()
    writes_below = _write_only_below(folder)
    return ["no sockets"] * without_sockets + ["writes in its folder only"] * writes_below


def _refuse_sockets() -> bool:
    """Every socket but those of AF_UNIX (which find only what is in files) is refused, and another architecture's
    calls are."""
    machine = platform.machine()
    if machine not in AUDIT_ARCH:
        return False
    program = (
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 0, 7, AUDIT_ARCH[machine]),
        (LOAD, 0, 0, NUMBER),
        (AT_LEAST, 5, 0, X32_BIT),
        (EQUAL, 4, 0, IO_URING_SETUP),
        (EQUAL, 0, 2, SOCKET[machine]),
        (LOAD, 0, 0, FIRST_ARGUMENT),
        (EQUAL, 0, 1, AF_UNIX),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, REFUSE),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in program))
    given = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(code)))
    return bool(ctypes.CDLL(None).prctl(SET_SECCOMP, FILTER, given, 0, 0) == 0)


def _write_only_below(folder: str) -> bool:
    libc = ctypes.CDLL(None)
    version = libc.syscall(ctypes.c_long(CREATE_RULESET), None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    if version < 1:
        return False
    handled = WRITE_FILE | CHANGES | (REFER if version >= REFER_SINCE else 0)
    handled |= TRUNCATE if version >= TRUNCATE_SINCE else 0
    rules = ctypes.create_string_buffer(struct.pack("Q", handled))
    made = libc.syscall(ctypes.c_long(CREATE_RULESET), rules, ctypes.c_size_t(8), ctypes.c_uint32(0))
    if made < 0:
        return False
    try:
        _allow(libc, made, folder, handled)
        for device in filter(os.path.exists, DEVICES):
            _allow(libc, made, device, handled & (WRITE_FILE | TRUNCATE))
        if libc.syscall(ctypes.c_long(RESTRICT_SELF), ctypes.c_int(made), ctypes.c_uint32(0)) != 0:
            raise OSError("writing cannot be given up")
    finally:
        os.close(made)
    return True


def _allow(libc: ctypes.CDLL, rules: int, path: str, access: int) -> None:
    """Raises OSError."""
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = ctypes.create_string_buffer(struct.pack("=Qi", access, place))
        call = (ctypes.c_long(ADD_RULE), ctypes.c_int(rules), ctypes.c_int(PATH_BENEATH), rule, ctypes.c_uint32(0))
        if libc.syscall(*call) != 0:
            raise OSError(f"{path} cannot be made writable")
    finally:
        os.close(place)
