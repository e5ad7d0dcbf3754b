"""Stored authorization requests: kept, bound to one browser, found again by each page."""

from datetime import datetime
from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Annotated, Any, cast
from urllib.parse import urlencode

from fastapi import Depends, Query, Request
from fastapi.responses import RedirectResponse
from sqlalchemy import Table, bindparam, insert, inspect, select, update
from sqlalchemy.orm import Session, lazyload
from sqlalchemy.orm.attributes import set_committed_value

from idp.clients.models import find_client
from idp.login import cookies
from idp.login.models import AuthorizationRequest
from idp.login.problems import CookiesNeeded, RequestExpired, RequestUnknown
from idp.login.rules import REQUEST_LIFETIME
from shared import audit
from shared.clock import Now
from shared.ids import new_id
from shared.prepared import Prepared
from shared.transactions import Tx

if TYPE_CHECKING:
    from idp.oidc.endpoint import Call

_WITHOUT_CLIENT = lazyload(AuthorizationRequest.client)  # it is kept already, and has fifty columns
_TABLE = cast(Table, AuthorizationRequest.__table__)
_COLUMNS = _TABLE.c.keys()
_THIS = _TABLE.c.id == bindparam("id_")
_KEEP = Prepared(insert(_TABLE), *_COLUMNS)
_READ = Prepared(select(*_TABLE.c).where(_THIS))
_KEEP_USERNAME = Prepared(update(_TABLE).where(_THIS), "username")
_BIND = Prepared(update(_TABLE).where(_THIS, _TABLE.c.browser.is_(None)), "browser")
_ANSWER = Prepared(update(_TABLE).where(_THIS, _TABLE.c.answered_at.is_(None)), "answered_at")


def sender_of(request: Request) -> str:
    """The address that a request comes from, as the trusted proxy tells it; of IPv6 the network, which one household has."""
    named = request.client.host if request.client else ""
    try:
        address = ip_address(named)
    except ValueError:
        return named[:45]
    if isinstance(address, IPv4Address):
        return str(address)
    return str(address.ipv4_mapped or IPv6Network((address, 64), strict=False))


def store_request(tx: Session, now: datetime, sender: str, **members: Any) -> AuthorizationRequest:
    """Keep a checked request; what is changed in the answer is not kept. Without a `browser`, the first that opens it will be
    the only one that may go on with it."""
    row: dict[str, Any] = dict.fromkeys(_COLUMNS)
    row |= {"id": new_id(), "sender": sender, "username": "", "asked": {}}
    row |= {"created_at": now, "expires_at": now + REQUEST_LIFETIME} | members
    request = AuthorizationRequest(**row)
    _KEEP.run(tx, **row)
    return request


def store_portal_request(
    tx: Session, now: datetime, sender: str, back: str = "/", *, max_age: int | None = None
) -> AuthorizationRequest:
    """The portal asks for a sign-in of its own; `back` is the page of ours that follows it."""
    members: dict[str, Any] = {"redirect_uri": back, "scopes": [], "code_challenge": "", "prompts": [], "login_hint": ""}
    return store_request(tx, now, sender, max_age=max_age, **members)


def find_request(
    tx: Session,
    now: datetime,
    request_id: str,
    browser: str | None,
    *,
    first_seen_by: str | None = None,
    to_change: bool = False,
) -> AuthorizationRequest:
    """The stored request, if it belongs to this browser and can still be answered; its client is to be read only.

    One that no browser has seen yet is bound to `first_seen_by`. Unless `to_change`, it belongs to no transaction.
    """
    request = (_to_change if to_change else _to_read)(tx, request_id[:64])
    if request is None:
        raise RequestUnknown()
    if "client" in inspect(request).unloaded:
        set_committed_value(request, "client", find_client(tx, request.client_id) if request.client_id else None)
    if request.client_id and request.client is None:
        raise RequestUnknown()  # the client was removed since
    if request.browser is None and first_seen_by:
        audit.hold(tx)
        if not _BIND.run(tx, id_=request.id, browser=first_seen_by):  # somebody was first this instant, perhaps its other tab
            return find_request(tx, now, request_id, browser)
        request.browser = browser = first_seen_by
    if browser is None:
        raise CookiesNeeded()
    if request.browser != browser:
        raise RequestUnknown()
    if now >= request.expires_at or request.answered_at:
        raise _expired(request)
    return request


def _to_change(tx: Session, request_id: str) -> AuthorizationRequest | None:
    audit.hold(tx)
    waiting = {"of": AuthorizationRequest}
    return tx.get(AuthorizationRequest, request_id, options=[_WITHOUT_CLIENT], with_for_update=waiting)


def _to_read(tx: Session, request_id: str) -> AuthorizationRequest | None:
    row = _READ.one(tx, id_=request_id)
    return AuthorizationRequest(**dict(zip(_COLUMNS, row, strict=True))) if row else None


def _expired(request: AuthorizationRequest) -> RequestExpired:
    return RequestExpired(app=request.client.name if request.client else "", again=begin_again(request))


def mark_answered(tx: Session, now: datetime, request: AuthorizationRequest) -> None:
    """Of any number of browsers' tabs at once, one alone answers it."""
    audit.hold(tx)
    if not _ANSWER.run(tx, id_=request.id, answered_at=now):
        raise _expired(request)


def opened(call: "Call", *, to_change: bool = False) -> AuthorizationRequest:
    """The request that the address of one of our pages names."""
    request_id = call.request.query_params.get("request", "")
    return find_request(call.tx, call.now, request_id, cookies.device(call.request), to_change=to_change)


def keep_username(tx: Session, stored: AuthorizationRequest, username: str) -> None:
    """What was typed on the first page, for the second."""
    stored.username = username
    _KEEP_USERNAME.run(tx, id_=stored.id, username=username)


def begin_again(request: AuthorizationRequest) -> str:
    """Where a new request can be begun: at the application, or at the portal."""
    return request.client.front_door if request.client else "/"


def _stored(
    request: Request, tx: Tx, now: Now, id: Annotated[str, Query(alias="request", max_length=64)]
) -> AuthorizationRequest:
    return find_request(tx, now, id, cookies.device(request), to_change=True)


Stored = Annotated[AuthorizationRequest, Depends(_stored)]


def go_on(stored: AuthorizationRequest) -> RedirectResponse:
    """Back to the dispatcher: no page decides what comes next."""
    return RedirectResponse(f"/authorize?{urlencode({'request': stored.id})}", 303)
