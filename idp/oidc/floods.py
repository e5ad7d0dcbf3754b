"""How much is kept of what anybody may send, so that a flood of it fills no disk, and how much of one, so that none takes
everybody's room. A hall of 3,500, or a province's offices, may stand behind one address: its share is generous."""

from datetime import datetime, timedelta

from authlib.oauth2 import OAuth2Error
from sqlalchemy import ColumnElement, delete, func, literal, or_, select

from idp.clients.models import Client
from idp.login.models import AuthorizationRequest
from idp.login.requests import sender_of
from idp.oidc import store
from idp.oidc.endpoint import Call
from idp.oidc.store import TABLE, Kind
from shared import audit
from shared.db import Database, kept
from shared.ids import new_token

MOST = 20_000  # of a kind: of up to 64 KiB each, and swept within the hour
MOST_OF_SENDER, MOST_OF_CLIENT = MOST // 4, MOST // 2  # in an hour
MOST_REQUESTS = 100_000
MOST_A_DAY = 1000  # registrations
MOST_WITH_TOKEN = MOST_A_DAY // 4


class NoRoom(OAuth2Error):  # type: ignore[misc]
    """RFC 9126, 2.3. It leaves an event once a second, not each time: those would fill the disk, too."""

    error = "temporarily_unavailable"
    description = "Too many requests of this kind are kept already."
    status_code = 429

    def get_headers(self) -> list[tuple[str, str]]:
        return [("Retry-After", "60")]


def need_room(call: Call, kind: Kind) -> None:
    """Refuse a client that the province does not vouch for, being public or registered by itself, while too many are kept of
    all, of its sender or of itself; and count one for both."""
    client = call.caller
    if client.is_public or client.registration_token_digest:
        _refuse_if_full(call, kind, MOST, TABLE.c.kind == kind)
        shares = {f"{kind} from {sender_of(call.request)}": MOST_OF_SENDER, f"{kind} of {client.id}": MOST_OF_CLIENT}
        _take_shares(call, shares, timedelta(hours=1))


def need_room_to_register(call: Call, leave: str) -> None:
    """A registration that is deleted keeps its row, so it is counted, too. `leave`: the digest of the initial access token."""
    day = timedelta(days=1)
    _refuse_if_full(call, "registration", MOST_A_DAY, Client.created_at > call.now - day)
    _take_shares(call, {f"registration with {leave[:12]}": MOST_WITH_TOKEN}, day)


def _take_shares(call: Call, shares: dict[str, int], span: timedelta) -> None:
    for share, most in shares.items():
        _refuse_if_full(call, share, most, TABLE.c.kind == share, TABLE.c.expires_at > call.now)
    for share in shares:
        store.put(call.tx, share, new_token(), call.now + span)


def _refuse_if_full(call: Call, what: str, most: int, *which: ColumnElement[bool]) -> None:
    def look() -> bool:
        some = select(literal(1)).where(*which).limit(most)
        full = bool(call.tx.scalar(select(func.count() >= most).select_from(some.subquery())))
        if full:
            audit.record(call.tx, call.now, "flood.refused", actor=call.client.id if call.client else "-", object=what)
        return full

    if kept(call.tx, f"full/{what}", look):
        raise NoRoom()


def crowd_out(db: Database, now: datetime) -> None:
    """Forget requests for a sign-in where there are too many: the oldest of who has sent the most. None is refused: whoever
    asks slowly could shut everybody out, but nobody asks so fast that who was just served has no time to answer."""
    request = AuthorizationRequest
    with db.read() as tx:
        too_many = tx.scalar(select(request.id).offset(MOST_REQUESTS).limit(1))
    if too_many:
        of_browsers = or_(request.browser.is_(None), request.browser != "")  # not of CIBA
        newest = request.expires_at.desc()
        nth = func.row_number().over(partition_by=request.sender, order_by=newest)  # of its sender
        gone = select(request.id).where(of_browsers).order_by(nth, newest).offset(MOST_REQUESTS)
        with db.write() as tx:
            audit.hold(tx)
            count = tx.connection().execute(delete(request).where(request.id.in_(gone))).rowcount
            if count:
                audit.record(tx, now, "flood.crowded-out", object="authorization-request", count=count)
