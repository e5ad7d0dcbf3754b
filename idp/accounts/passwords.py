"""Hashing of passwords: argon2id in a bounded pool, so that a rush of sign-ins exhausts neither memory nor threads."""

import asyncio
import ctypes
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from idp.accounts.problems import SignInBusy
from idp.accounts.rules import normal_password
from shared import turns

# OWASP's choice for little memory: 19 MiB, two passes.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# glibc would learn to keep such blocks, one for each thread; each is to come from the system and go back to it (mallopt(3)).
M_MMAP_THRESHOLD = -3
with suppress(OSError, AttributeError):
    ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 4 << 20)
_DUMMY = _hasher.hash(os.urandom(16))
AT_ONCE = max(2, os.cpu_count() or 2)
WAITING = 32  # half of the threads that serve requests: pages go on answering while passwords queue
BEHIND = 10  # in niceness
_queue = threading.BoundedSemaphore(AT_ONCE + WAITING)


def _stand_back() -> None:
    """Where the cores are short, tokens go before hashes: on Linux a thread has a niceness of its own (sched(7))."""
    who = os.PRIO_PROCESS, threading.get_native_id()
    with suppress(OSError):
        os.setpriority(*who, os.getpriority(*who) + BEHIND)


_pool = ThreadPoolExecutor(AT_ONCE, "passwords", _stand_back)


def place() -> AbstractContextManager[None]:
    """A place in the queue, or `SignInBusy` when too many wait. Not to be nested."""
    return turns.place(_queue, 0, SignInBusy)


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether the password was right; `fresh_hash` replaces a hash that was made with other parameters than today's."""

    right: bool
    fresh_hash: str | None = None


async def prove(stored: str | None, typed: str) -> Proof:
    """Check a password in the pool, for who holds a `place`."""
    return await asyncio.get_running_loop().run_in_executor(_pool, _prove, stored, typed)


def _prove(stored: str | None, typed: str) -> Proof:
    right = matches(stored, typed)
    return Proof(right, hash_password(typed) if right and _hasher.check_needs_rehash(stored or "") else None)


async def hashed(password: str) -> str:
    """The hash of a new password, made in the pool, for who holds a `place`."""
    return await asyncio.get_running_loop().run_in_executor(_pool, hash_password, password)


def hash_password(password: str) -> str:
    return _hasher.hash(normal_password(password))


def matches(stored: str | None, typed: str) -> bool:
    """Whether the password is right; takes as long when there is no account (None) or no password (no hash at all)."""
    password = normal_password(typed)
    try:
        return _hasher.verify(stored or _DUMMY, password) and bool(stored)
    except InvalidHashError:
        return matches(None, typed)
    except VerificationError:
        return False
