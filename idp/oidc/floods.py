"""How much is kept of what anybody may send, so that a flood of it fills no disk."""

from datetime import datetime, timedelta

from authlib.oauth2 import OAuth2Error
from sqlalchemy import Select, delete, func, or_, select

from idp.clients.models import Client
from idp.login.models import AuthorizationRequest
from idp.oidc.endpoint import Call
from idp.oidc.store import TABLE, Kind
from shared import audit
from shared.db import Database, kept

MOST = 20_000  # of a kind: of up to 64 KiB each, and swept within the hour
MOST_REQUESTS = 100_000
MOST_A_DAY = 1000  # registrations


class NoRoom(OAuth2Error):  # type: ignore[misc]
    """RFC 9126, 2.3. It leaves an event once a second, not each time: those would fill the disk, too."""

    error = "temporarily_unavailable"
    description = "Too many requests of this kind are kept already."
    status_code = 429

    def get_headers(self) -> list[tuple[str, str]]:
        return [("Retry-After", "60")]


def need_room(call: Call, kind: Kind) -> None:
    """Refuse a client that the province does not vouch for, being public or registered by itself, while too many are kept."""
    client = call.caller
    if client.is_public or client.registration_token_digest:
        some = select(TABLE.c.digest).where(TABLE.c.kind == kind).limit(MOST)
        _refuse_if_full(call, kind, select(func.count() >= MOST).select_from(some.subquery()))


def need_room_to_register(call: Call) -> None:
    """A registration that is deleted keeps its row, so it is counted, too."""
    today = Client.created_at > call.now - timedelta(days=1)
    _refuse_if_full(call, "registration", select(func.count() >= MOST_A_DAY).select_from(Client).where(today))


def _refuse_if_full(call: Call, what: str, is_full: Select[bool]) -> None:
    def look() -> bool:
        full = bool(call.tx.scalar(is_full))
        if full:
            audit.record(call.tx, call.now, "flood.refused", actor=call.client.id if call.client else "-", object=what)
        return full

    if kept(call.tx, f"full/{what}", look):
        raise NoRoom()


def crowd_out(db: Database, now: datetime) -> None:
    """Forget the oldest requests for a sign-in where there are too many. None is refused: whoever asks slowly could shut
    everybody out, but nobody asks so fast that who was just served has no time to answer."""
    at = AuthorizationRequest.expires_at
    with db.read() as tx:
        first_too_many = tx.scalar(select(at).order_by(at.desc()).offset(MOST_REQUESTS).limit(1))
    if first_too_many:
        with db.write() as tx:
            audit.hold(tx)
            of_browsers = or_(AuthorizationRequest.browser.is_(None), AuthorizationRequest.browser != "")  # not of CIBA
            gone = tx.connection().execute(delete(AuthorizationRequest).where(at <= first_too_many, of_browsers)).rowcount
            if gone:
                audit.record(tx, now, "flood.crowded-out", object="authorization-request", count=gone)
