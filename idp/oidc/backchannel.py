"""Telling applications that a session has ended (OpenID Connect Back-Channel Logout 1.0)."""

import asyncio
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

import httpx2
import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from idp.keys.actions import signing_key
from idp.login.models import SignInSession
from idp.oidc.claims import subject
from idp.oidc.models import Grant, LogoutNotice
from idp.oidc.outbound import Dialled, dialled
from idp.oidc.sid import sid_of
from idp.settings import IdpSettings
from shared import clock
from shared.db import Database, lock
from shared.ids import new_id
from shared.tokens import sign

log = structlog.get_logger()
EVENT = "http://schemas.openid.net/event/backchannel-logout"
TOKEN_LIFETIME = timedelta(minutes=2)
SLOW_FOR = 30.0  # seconds in which nobody waits again for an application that has just kept somebody waiting
_slow: dict[str, float] = {}  # address to the end of that span, in this process


class NotAllTold(Exception):
    """Some application has not answered yet; the job runs again."""


def logout_token(tx: Session, now: datetime, settings: IdpSettings, notice: LogoutNotice) -> str:
    """Section 2.4; never a nonce, so that it cannot pass for an ID token."""
    claims = {
        "iss": settings.issuer,
        "aud": notice.client_id,
        "sub": subject(settings, notice.client, tx.get_one(SignInSession, notice.session_id).account_id),
        "iat": int(now.timestamp()),
        "exp": int((now + TOKEN_LIFETIME).timestamp()),
        "jti": new_id(),
        "sid": sid_of(settings, notice.client, notice.session_id),
        "events": {EVENT: {}},
    }
    return sign(claims, signing_key(tx, settings, notice.client.id_token_alg), typ="logout+jwt")


def notices(tx: Session, session_id: str) -> list[LogoutNotice]:
    """One for each application that was signed in through the session; made where missing."""
    apps = set(tx.scalars(select(Grant.client_id).where(Grant.session_id == session_id)))
    lock(tx, f"notices/{session_id}")  # the page and the job may come at once
    known = set(tx.scalars(select(LogoutNotice.client_id).filter_by(session_id=session_id)))
    tx.add_all(LogoutNotice(session_id=session_id, client_id=client_id) for client_id in apps - known)
    tx.flush()
    return list(tx.scalars(select(LogoutNotice).filter_by(session_id=session_id).order_by(LogoutNotice.client_id)))


def tell(db: Database, settings: IdpSettings, session_id: str, within: float) -> bool:
    """Tell every application of an ended session that has not confirmed yet, all at once, for at most `within` seconds.

    True when none is left that could still be told.
    """
    with db.write() as tx:
        waiting = [one for one in notices(tx, session_id) if one.delivered_at is None and one.client.backchannel_logout_uri]
        now = clock.now()
        letters = {one.client_id: (one.client.backchannel_logout_uri, logout_token(tx, now, settings, one)) for one in waiting}
        known = {one.client_id for one in waiting if one.client.registration_token_digest is None and one.client.active}
    ready = {client_id: letter for client_id, letter in letters.items() if monotonic() >= _slow.get(letter[0], 0)}
    if not ready:
        return not letters
    pool = ThreadPoolExecutor(max_workers=min(8, len(ready)), thread_name_prefix="backchannel")
    sent = {
        pool.submit(_post, settings, uri, token, within, known=client_id in known): client_id
        for client_id, (uri, token) in ready.items()
    }
    done, late = wait(sent, timeout=within)
    pool.shutdown(wait=False, cancel_futures=True)
    _slow.update({ready[sent[one]][0]: monotonic() + SLOW_FOR for one in late})
    heard = {sent[one] for one in done if one.result()}
    with db.write() as tx:
        for client_id in heard:
            tx.get_one(LogoutNotice, (session_id, client_id)).delivered_at = clock.now()
    return len(heard) == len(letters)


def _post(settings: IdpSettings, uri: str, token: str, within: float, *, known: bool) -> bool:
    """`known`: the province has registered the application; whoever registers themselves names no address of ours."""
    try:
        to = Dialled(uri, {}, {}) if known else dialled(settings, uri)
        return asyncio.run(_is_heard(settings, to, token, within))
    except (TimeoutError, httpx2.TimeoutException):
        _slow[uri] = monotonic() + SLOW_FOR
        return False
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
        log.warning("backchannel.not-delivered", error=type(error).__name__)
        return False


async def _is_heard(settings: IdpSettings, to: Dialled, token: str, within: float) -> bool:
    """`within` for all of it: the library's own deadline is for each read, and who sends a byte a second would be waited for
    for days."""
    client = httpx2.AsyncClient(verify=settings.outbound_trust, trust_env=False, timeout=within, follow_redirects=False)
    form = {"logout_token": token}
    async with (
        asyncio.timeout(within),
        client,
        client.stream("POST", to.url, headers=to.headers, extensions=to.extensions, data=form) as answer,
    ):
        return answer.status_code in (200, 204)  # the body is of no interest, so it is not read


def tell_all(settings: IdpSettings, db: Database, body: dict[str, Any]) -> None:
    """The job after each ended session; comes back until every application has confirmed."""
    if not tell(db, settings, body["session"], within=10):
        raise NotAllTold
