"""One-time passwords by the clock (RFC 6238): six digits, thirty seconds, SHA-1, as every application knows them."""

import hmac
from base64 import b32encode
from datetime import datetime
from urllib.parse import quote, urlencode

from shared.ids import same

SECRET_BYTES = 20
PERIOD = 30  # seconds
DRIFT = 1  # steps by which a telephone's clock may be wrong


def code_at(secret: bytes, step: int) -> str:
    """RFC 4226, 5.3."""
    mac = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    start = mac[-1] & 15
    return f"{(int.from_bytes(mac[start : start + 4], 'big') & 0x7FFFFFFF) % 10**6:06}"


def matching_step(secret: bytes, typed: str, now: datetime) -> int | None:
    """The newest step whose code it is. The caller remembers it, since a code counts once (RFC 6238, 5.2)."""
    newest = last_step(now)
    return next((one for one in range(newest, newest - 2 * DRIFT - 1, -1) if same(code_at(secret, one), typed)), None)


def last_step(now: datetime) -> int:
    """The newest step whose code would match now."""
    return int(now.timestamp()) // PERIOD + DRIFT


def readable(secret: bytes) -> str:
    """For typing it into an application: Base32 in groups of four."""
    plain = b32encode(secret).decode()
    return " ".join(plain[start : start + 4] for start in range(0, len(plain), 4))


def address(secret: bytes, username: str, issuer: str) -> str:
    """What the QR code says: `otpauth://totp/...`."""
    query = urlencode({"secret": b32encode(secret).decode(), "issuer": issuer}, quote_via=quote)
    return f"otpauth://totp/{quote(f'{issuer}:{username}')}?{query}"
