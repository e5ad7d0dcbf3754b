"""What an issuer says when it ends a session: the checks of OpenID Connect Back-Channel Logout 1.0, section 2.6."""

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.issuer import IssuerKeys
from shared.tokens import InvalidToken, peek, verify

EVENT = "http://schemas.openid.net/event/backchannel-logout"
FRESH = timedelta(minutes=5)
# `logout+jwt` is recommended, not required; a token of another kind is told apart by `events` and `nonce`.
TYPES = ("logout+jwt", "application/logout+jwt", "jwt", "")


@dataclass(frozen=True, slots=True)
class Ended:
    sub: str | None
    sid: str | None


class LogoutTokens:
    """Reads the logout tokens of one issuer for one client; each is good once."""

    def __init__(self, issuer: str, client_id: str, keys: IssuerKeys) -> None:
        self._issuer, self._client_id, self._keys = issuer, client_id, keys
        self._seen: dict[str, datetime] = {}  # jti -> when it may be forgotten
        self._lock = threading.Lock()

    def read(self, token: str, now: datetime) -> Ended:
        """Whose session has ended. `InvalidToken` where any check fails, `Unavailable` where the issuer's keys are away."""
        kind = str(peek(token).get("typ", "")).lower()
        if kind not in TYPES:
            raise InvalidToken(reason="typ")
        keys = self._keys.find(token)
        claims = verify(token, keys, now, issuer=self._issuer, audience=self._client_id, typ=kind)
        events, sub, sid, jti = (claims.get(name) for name in ("events", "sub", "sid", "jti"))
        checks = {
            "events": isinstance(events, dict) and isinstance(events.get(EVENT), dict),
            "nonce": "nonce" not in claims,
            "iat": now.timestamp() - claims["iat"] < FRESH.total_seconds(),
            "sub": sub is None or isinstance(sub, str),
            "sid": sid is None or isinstance(sid, str),
            "whose": bool(sub or sid),
            "jti": isinstance(jti, str) and bool(jti),
        }
        if failed := [name for name, holds in checks.items() if not holds]:
            raise InvalidToken(reason=",".join(failed))
        self._once(str(jti), now)
        return Ended(sub, sid)

    def _once(self, jti: str, now: datetime) -> None:
        with self._lock:
            self._seen = {known: until for known, until in self._seen.items() if now < until}
            if jti in self._seen:
                raise InvalidToken(reason="replayed")
            self._seen[jti] = now + 2 * FRESH
