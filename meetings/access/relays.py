"""Whether a relay may carry the tablets of its room: by an access token of its own client, which tells of no person."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from meetings.access.models import epoch_began_at
from meetings.settings import MeetingsSettings
from shared import tokens
from shared.db import Database
from shared.issuer import IssuerKeys
from shared.problems import Forbidden

SCOPE = "meetings.relay"


def epoch_of(db: Database) -> datetime | None:
    with db.read() as tx:
        return epoch_began_at(tx)


def admit_relay(
    settings: MeetingsSettings, keys: IssuerKeys, epoch: Callable[[], datetime | None], token: str, now: datetime
) -> tuple[str, datetime]:
    """The client's id, and until when its token holds; else a `Problem`. Deny first: only clients named in `RELAYS`.

    `epoch`: when the last one began; a token of before is refused, as a person's is.
    """
    claims: dict[str, Any] = tokens.verify(
        token, keys.find(token), now, issuer=settings.issuer, audience=settings.audience, typ="at+jwt"
    )
    client = claims.get("client_id")
    itself = isinstance(client, str) and client == claims.get("sub") and "sid" not in claims
    if not itself or client not in settings.relays.replace(" ", "").split(",") or "cnf" in claims:
        raise Forbidden()
    if SCOPE not in str(claims.get("scope", "")).split():
        raise Forbidden()
    began_at = epoch()
    if began_at and claims["iat"] <= began_at.timestamp():
        raise tokens.InvalidToken(reason="epoch")
    return str(client), datetime.fromtimestamp(claims["exp"], UTC)
