"""User names and passwords: what is allowed, and how a good one is made."""

import re
import unicodedata
from enum import StrEnum

from idp.accounts.problems import BadUsername, PasswordIsUsername, PasswordTooLong, PasswordTooShort

LEAST_PASSWORD = 12
MOST_PASSWORD_BYTES = 1024
READABLE_SIGNS = "abcdefghjkmnpqrstvwxyz23456789"
USERNAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,63}")


class Honorific(StrEnum):
    MR = "Ông"
    MS = "Bà"


def normal_username(typed: str) -> str:
    """The one form of a user name: no outer blanks, lower case, NFKC."""
    return unicodedata.normalize("NFKC", typed).strip().casefold()


def checked_username(typed: str) -> str:
    """The normal form, or `BadUsername`: 2 to 64 of a-z, 0-9, dot, hyphen, underscore."""
    username = normal_username(typed)
    if not USERNAME.fullmatch(username):
        raise BadUsername()
    return username


def normal_password(typed: str) -> str:
    """NFC, so that the same Vietnamese letter typed on two keyboards is one password. Blanks count."""
    return unicodedata.normalize("NFC", typed)


def checked_password(typed: str, username: str) -> str:
    """The normal form of a new password, or the refusal (NIST SP 800-63B-4, 3.1.1.2: length, no composition rules)."""
    password = normal_password(typed)
    if len(password) < LEAST_PASSWORD:
        raise PasswordTooShort(least=LEAST_PASSWORD)
    if len(password.encode()) > MOST_PASSWORD_BYTES:
        raise PasswordTooLong()
    if username in password.casefold() and len(password) < len(username) + LEAST_PASSWORD:
        raise PasswordIsUsername()
    return password


def readable_password(source: bytes) -> str:
    """A password of 16 signs in four groups, to be read aloud or copied from paper: `kq7m-4xzt-9rwa-hb3n`.

    `source` is at least 16 random bytes; 78 bits of them are used.
    """
    number, signs = int.from_bytes(source[:16], "big"), ""
    for _ in range(16):
        number, place = divmod(number, len(READABLE_SIGNS))
        signs += READABLE_SIGNS[place]
    return "-".join(signs[start : start + 4] for start in range(0, 16, 4))
