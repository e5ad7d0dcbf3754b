"""Consent: a person lets a client that is not the province's own have what it asks for."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request, Response

from idp.login.cookies import OwnForm
from idp.login.requests import Stored, go_on
from idp.login.rules import shown
from idp.login.sessions import Current
from idp.oidc.details import rows
from idp.oidc.models import Consent
from idp.pages.page import show
from shared import audit
from shared.clock import Now
from shared.transactions import Tx

router = APIRouter(include_in_schema=False)


@router.get("/consent")
def ask_consent(request: Request, stored: Stored, session: Current) -> Response:
    if session is None or stored.client is None:
        return go_on(stored)
    return show(request, "consent.html", stored=stored, account=session.account, rows=rows, scopes=shown(stored))


@router.post("/consent", dependencies=[OwnForm])
def take_consent(
    stored: Stored, session: Current, tx: Tx, now: Now, decision: Annotated[Literal["allow", "deny"], Form()]
) -> Response:
    if session is None or stored.client is None or stored.hint_subject not in (None, session.account_id):
        return go_on(stored)
    audit.record(tx, now, f"consent.{decision}", actor=session.account_id, object=stored.client.id, scopes=shown(stored))
    stored.hint_subject = session.account_id  # nobody else who signs in here goes on with it
    if decision == "deny":
        stored.denied_at = now
        return go_on(stored)
    stored.consented_at = now
    known = tx.get(Consent, (session.account_id, stored.client.id))
    scopes = sorted({*shown(stored), *(known.scopes if known else ())})
    tx.merge(Consent(account_id=session.account_id, client_id=stored.client.id, scopes=scopes, at=now))
    return go_on(stored)
