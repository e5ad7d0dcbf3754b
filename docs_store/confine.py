"""Give up everything a parser of untrusted files does not need. Linux only; called once, first thing, by a fresh process.

Four walls, each on its own: resource limits (always); an empty network namespace and a system-call filter (neither network nor
new programs); Landlock (reads only libraries, writes only its folder). A kernel or container that refuses one of them still
leaves the others; `confine` says which ones stand.
"""

import ctypes
import os
import platform
import resource
import struct
import sys
from pathlib import Path

MEMORY = 1 << 30  # bytes of address space
CPU_SECONDS = 15
FILE_SIZE = 256 << 20
OPEN_FILES = 64

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446  # the same numbers on every architecture
LANDLOCK_READ = 1 << 2 | 1 << 3
LANDLOCK_FILES = sum(1 << bit for bit in (1, 2, 3, 4, 5, 7, 8))  # in its own folder: read, write, list, remove, make

# socket bind connect sendto execve execveat ptrace kill io_uring_setup process_vm_readv process_vm_writev bpf mount unshare
# setns keyctl userfaultfd perf_event_open pidfd_getfd open_by_handle_at
FORBIDDEN = {
    "x86_64": (
        0xC000003E,
        (41, 49, 42, 44, 59, 322, 101, 62, 425, 310, 311, 321, 165, 272, 308, 250, 323, 298, 438, 304),
    ),
    "aarch64": (
        0xC00000B7,
        (198, 200, 203, 206, 221, 281, 117, 129, 425, 270, 271, 280, 40, 97, 268, 219, 282, 241, 438, 265),
    ),
}

_libc = ctypes.CDLL(None, use_errno=True)


def confine(folder: Path) -> list[str]:
    """Confine this process to `folder`; the walls that stand, of: limits, namespace, seccomp, landlock."""
    _limit()
    walls = {"namespace": _leave_network(), "landlock": _restrict_files(folder), "seccomp": _filter_calls()}
    return ["limits", *(name for name, stands in walls.items() if stands)]


def _limit() -> None:
    for kind, bound in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, FILE_SIZE),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (bound, bound))


def _leave_network() -> bool:
    return any(_libc.unshare(spaces) == 0 for spaces in (CLONE_NEWUSER | CLONE_NEWNET, CLONE_NEWNET))


def _filter_calls() -> bool:
    if _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or platform.machine() not in FORBIDDEN:
        return False
    architecture, numbers = FORBIDDEN[platform.machine()]
    load, equal, at_least, give = 0x20, 0x15, 0x35, 0x06
    allow, refuse, kill = 0x7FFF0000, 0x00050001, 0x80000000
    last = len(numbers) + 1
    program = [
        (load, 0, 0, 4),
        (equal, 1, 0, architecture),
        (give, 0, 0, kill),
        (load, 0, 0, 0),
        (at_least, last, 0, 0x40000000),  # the x32 calls would go round the list
        *((equal, last - 1 - place, 0, number) for place, number in enumerate(numbers)),
        (give, 0, 0, allow),
        (give, 0, 0, refuse),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(code)))
    return bool(_libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header, 0, 0) == 0)


def _restrict_files(folder: Path) -> bool:
    version = _libc.syscall(LANDLOCK_CREATE, None, 0, 1)
    if version < 1 or _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    known = (1 << 13) - 1 | (1 << 13 if version >= 2 else 0) | (1 << 14 if version >= 3 else 0)
    rules = _libc.syscall(LANDLOCK_CREATE, ctypes.create_string_buffer(struct.pack("Q", known), 8), 8, 0)
    if rules < 0:
        return False
    _allow(rules, folder, (LANDLOCK_FILES | 1 << 14) & known)
    for path in _readable():
        _allow(rules, path, LANDLOCK_READ)
    return bool(_libc.syscall(LANDLOCK_RESTRICT, rules, 0) == 0)


def _readable() -> list[Path]:
    """Interpreter, libraries and our own code; nothing of the service's data or configuration."""
    home = Path(__file__).resolve().parent
    places = [Path(sys.prefix), Path(sys.base_prefix), home, home.parent / "shared"]
    system = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/etc/timezone", "/dev/urandom", "/dev/null")
    return [path for path in (*places, *map(Path, system)) if path.exists()]


def _allow(rules: int, path: Path, access: int) -> None:
    handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    if not path.is_dir():
        access &= 1 << 1 | 1 << 2 | 1 << 14
    rule = ctypes.create_string_buffer(struct.pack("=Qi", access, handle), 12)
    _libc.syscall(LANDLOCK_ADD, rules, 1, rule, 0)
    os.close(handle)
