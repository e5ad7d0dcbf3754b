"""Hashing of passwords: argon2id in a bounded pool, so that a rush of sign-ins cannot exhaust memory."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from idp.accounts.problems import SignInBusy
from idp.accounts.rules import normal_password

# OWASP's choice for little memory: 19 MiB, two passes.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_DUMMY = _hasher.hash(os.urandom(16))
AT_ONCE = max(2, os.cpu_count() or 2)
WAITING = 32  # half of the threads that serve requests: pages go on answering while passwords queue
_turn = threading.Semaphore(AT_ONCE)
_queue = threading.Semaphore(AT_ONCE + WAITING)


@contextmanager
def turn() -> Iterator[None]:
    """Leave to hash one password; waits for it, or refuses with `SignInBusy` when too many wait. Not to be nested."""
    if not _queue.acquire(blocking=False):
        raise SignInBusy()
    try:
        with _turn:
            yield
    finally:
        _queue.release()


def hash_password(password: str) -> str:
    return _hasher.hash(normal_password(password))


def matches(stored: str | None, typed: str) -> bool:
    """Whether the password is right; takes as long when there is no account (`stored` is None)."""
    try:
        return _hasher.verify(stored or _DUMMY, normal_password(typed)) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def needs_rehash(stored: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return _hasher.check_needs_rehash(stored)
