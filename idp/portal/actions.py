from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, delete, func, or_, select
from sqlalchemy.orm import Session

from idp.accounts.actions import set_password
from idp.clients.models import Client
from idp.login.models import SignInSession
from idp.login.sessions import end_session, living_sessions
from idp.oidc.issuing import revoke, revoke_all
from idp.oidc.models import Consent, Grant
from idp.settings import IdpSettings
from shared.problems import NotFound


def change_password(tx: Session, now: datetime, settings: IdpSettings, me: SignInSession, password_hash: str) -> None:
    """Replace the password of who is signed in. Other sessions end, and this one's applications ask for a sign-in again."""
    set_password(tx, now, me.account, password_hash, actor=me.account_id)
    for place in living_sessions(tx, now, settings, me.account_id):
        if place.id != me.id:
            end_session(tx, now, place, reason="password-changed")
    revoke_all(tx, now, me.account_id, "password-changed")


def end_place(tx: Session, now: datetime, me: SignInSession, session_id: str) -> None:
    """End one of my sessions; one of another person does not exist for me."""
    place = tx.get(SignInSession, session_id)
    if place is None or place.account_id != me.account_id:
        raise NotFound()
    end_session(tx, now, place, reason="ended-elsewhere")


def end_others(tx: Session, now: datetime, settings: IdpSettings, me: SignInSession) -> None:
    for place in living_sessions(tx, now, settings, me.account_id):
        if place.id != me.id:
            end_session(tx, now, place, reason="ended-elsewhere")


def end_everything(tx: Session, now: datetime, settings: IdpSettings, me: SignInSession) -> None:
    """All my sessions, and what applications hold beyond them: nothing of mine is left to anybody."""
    for place in living_sessions(tx, now, settings, me.account_id):
        end_session(tx, now, place, reason="everywhere")
    revoke_all(tx, now, me.account_id, "everywhere")


@dataclass(frozen=True, slots=True)
class Held:
    """An application that holds living grants of a person since then; `offline`: also when they are signed out."""

    client: Client
    since: datetime
    offline: bool


_LIVING = and_(
    Grant.revoked_at.is_(None), or_(Grant.offline, SignInSession.ended_at.is_(None)), Grant.session_id == SignInSession.id
)


def held_grants(tx: Session, now: datetime, settings: IdpSettings, account_id: str) -> list[Held]:
    """As `Living.is_living` decides, by application."""
    fresh = and_(SignInSession.expires_at > now, SignInSession.last_seen_at >= now - settings.session_idle)
    in_time = or_(and_(Grant.offline, Grant.expires_at > now), and_(~Grant.offline, fresh))
    found = select(Grant.client_id, func.min(Grant.created_at), func.count().filter(Grant.offline)).where(
        Grant.account_id == account_id, _LIVING, in_time
    )
    rows = {row[0]: row for row in tx.execute(found.group_by(Grant.client_id))}
    clients = tx.scalars(select(Client).where(Client.id.in_(rows), Client.active).order_by(Client.name))
    return [Held(client, rows[client.id][1], rows[client.id][2] > 0) for client in clients]


def take_back(tx: Session, now: datetime, account_id: str, client_id: str) -> None:
    """Everything that an application holds of a person, and the consent it came by."""
    whose = Grant.account_id == account_id, Grant.client_id == client_id
    held = tx.scalars(select(Grant.id).where(*whose, Grant.revoked_at.is_(None))).all()
    for grant_id in held:
        revoke(tx, now, grant_id, "taken-back", actor=account_id)
    gone = tx.execute(
        delete(Consent).where(Consent.account_id == account_id, Consent.client_id == client_id).returning(Consent.at)
    )
    if not gone.all() and not held:
        raise NotFound()
