"""The pages of a person who is signed in."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from idp.clients.models import Client
from idp.login.cookies import OwnForm
from idp.login.models import SignInSession
from idp.login.requests import go_on, sender_of, store_portal_request
from idp.login.sessions import Current, living_sessions
from idp.oidc.ciba import waiting_for
from idp.oidc.end_session import Wish, sign_out
from idp.pages.page import show
from idp.portal.actions import end_everything, end_others, end_place, held_grants, take_back
from idp.portal.rules import browser_and_system
from shared import words
from shared.clock import Now
from shared.problems import NotSignedIn
from shared.transactions import Tx

router = APIRouter(include_in_schema=False)


def _signed_in(session: Current) -> SignInSession:
    if session is None:
        raise NotSignedIn()
    return session


Mine = Annotated[SignInSession, Depends(_signed_in)]


@router.get("/")
def home(request: Request, tx: Tx, now: Now, session: Current) -> Response:
    if session is None:
        return go_on(store_portal_request(tx, now, sender_of(request)))
    settings = request.app.state.settings
    places = living_sessions(tx, now, settings, session.account_id)
    held = held_grants(tx, now, settings, session.account_id)
    labels = {place.id: browser_and_system(place.user_agent) for place in places}
    waiting = waiting_for(tx, now, session.account_id)
    return show(request, "home.html", me=session, apps=_apps(tx), places=places, labels=labels, held=held, waiting=waiting)


def _apps(tx: Session) -> list[Client]:
    clients = [client for client in tx.scalars(select(Client).where(Client.active)) if client.front_door]
    return sorted(clients, key=lambda client: words.sort_key(client.name))


@router.post("/sessions/end", dependencies=[OwnForm])
def end_sessions(
    request: Request, tx: Tx, now: Now, me: Mine, session: Annotated[str, Form(max_length=64)] = "others"
) -> Response:
    settings = request.app.state.settings
    if session == "everywhere":
        end_everything(tx, now, settings, me)
        return sign_out(request, tx, now, me, Wish())
    if session == "others":
        end_others(tx, now, settings, me)
    else:
        end_place(tx, now, me, session)
    return RedirectResponse("/", 303)


@router.post("/apps/end", dependencies=[OwnForm])
def end_app(tx: Tx, now: Now, me: Mine, app: Annotated[str, Form(max_length=200)]) -> Response:
    take_back(tx, now, me.account_id, app)
    return RedirectResponse("/", 303)


@router.post("/sign-out", dependencies=[OwnForm])
def leave(request: Request, tx: Tx, now: Now, session: Current) -> Response:
    return sign_out(request, tx, now, session, Wish())
