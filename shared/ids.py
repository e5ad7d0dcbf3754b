"""Random ids, opaque tokens, and comparing them without telling how far they agree."""

import hmac
import os
import secrets
from hashlib import sha256

# Signs that cannot be taken for each other when read aloud or from across a hall: no 0, 1, I, L, O, U.
CODE_SIGNS = "23456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_id() -> str:
    """A random id of 26 hexadecimal digits (104 bits)."""
    return os.urandom(13).hex()


def new_token() -> str:
    """An opaque bearer secret of 43 URL-safe signs (256 bits). Store only its `digest`."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """SHA-256 of a secret, in hexadecimal: what is stored in place of the secret."""
    return sha256(token.encode()).hexdigest()


def same(left: str, right: str) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())


def short_code(source: bytes, length: int = 6) -> str:
    """Signs in two groups, `7KQ-4MX`, drawn from the first eight bytes of `source`; 12 at most."""
    number = int.from_bytes(source[:8], "big")
    signs = ""
    for _ in range(length):
        number, place = divmod(number, len(CODE_SIGNS))
        signs += CODE_SIGNS[place]
    return f"{signs[: length // 2]}-{signs[length // 2 :]}"


def fingerprint(hexadecimal: str, groups: int = 2) -> str:
    """The first groups of four of a hash, as shown on screens and in minutes: `9F3A-22C1`."""
    return "-".join(hexadecimal[i : i + 4] for i in range(0, 4 * groups, 4)).upper()
