"""Signing in on a device without a browser (RFC 8628): the device's endpoint, and the page where a person types its code."""

import os
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from authlib.oauth2.rfc6749 import UnauthorizedClientError
from fastapi import APIRouter, Form, Query, Request
from sqlalchemy.orm import Session
from starlette.responses import RedirectResponse, Response

from idp.clients.rules import DEVICE
from idp.login import cookies
from idp.login.cookies import OwnForm
from idp.login.lockout import count_wrong_code, need_code_tries
from idp.login.problems import UserCodeUnknown
from idp.login.requests import go_on, sender_of, store_portal_request, store_request
from idp.login.rules import normal_code
from idp.login.sessions import Current
from idp.oidc import decoupled, store
from idp.oidc.answers import issued
from idp.oidc.checks import Ask, run_checks
from idp.oidc.client_auth import authenticate
from idp.oidc.endpoint import Call, endpoint
from idp.oidc.floods import need_room
from idp.oidc.store import Kind
from idp.pages.page import show
from shared import audit
from shared.clock import Now
from shared.ids import digest, short_code
from shared.problems import Problem
from shared.transactions import Tx

SIGNS = 8  # 39 bits; with five tries in a quarter of an hour nobody guesses one that lives for ten minutes
router = APIRouter(include_in_schema=False)


def device_authorization(call: Call) -> Response:
    client = call.client = authenticate(call)
    if DEVICE not in client.grant_types:
        raise UnauthorizedClientError("The client may not use the device grant.")
    ask = Ask(call.params, call.tx, call.settings, call.now, call.pairs, call.fetched, client=client)
    run_checks(ask, "device")
    need_room(call, Kind.DEVICE_CODE)
    user_code = short_code(os.urandom(8), SIGNS)
    secret = decoupled.begin(call, Kind.DEVICE_CODE, request=ask.members())
    until = call.now + decoupled.LIFETIME
    store.put(call.tx, Kind.USER_CODE, normal_code(user_code), until, body={"device": digest(secret)})
    page = f"{call.settings.issuer}/device"
    return issued(
        {
            "device_code": secret,
            "user_code": user_code,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?{urlencode({'user_code': user_code})}",
            "expires_in": int(decoupled.LIFETIME.total_seconds()),
            "interval": decoupled.INTERVAL,
        }
    )


answer = endpoint(device_authorization, "POST")


@router.get("/device")
def ask_code(
    request: Request, tx: Tx, now: Now, session: Current, user_code: Annotated[str, Query(max_length=40)] = ""
) -> Response:
    if session is None:
        back = f"/device?{urlencode({'user_code': user_code})}" if user_code else "/device"
        return go_on(store_portal_request(tx, now, sender_of(request), back))
    return show(request, "device.html", user_code=user_code)


@router.post("/device", dependencies=[OwnForm])
def take_code(
    request: Request, tx: Tx, now: Now, session: Current, user_code: Annotated[str, Form(max_length=40)] = ""
) -> Response:
    if session is None:
        return go_on(store_portal_request(tx, now, sender_of(request), "/device"))
    try:
        members = _waiting_behind(tx, now, user_code, session.account_id)
    except Problem as problem:  # answered here, so that the count is kept
        audit.record(tx, now, "user-code.refused", actor=session.account_id, reason=problem.code)
        return show(request, "device.html", problem=problem, field="user_code", user_code=user_code)
    response = RedirectResponse("", 303)
    stored = store_request(tx, now, sender_of(request), browser=cookies.ensure_device(request, response), **members)
    response.headers["location"] = f"/authorize?{urlencode({'request': stored.id})}"
    return response


def _waiting_behind(tx: Session, now: datetime, typed: str, account_id: str) -> dict[str, Any]:
    """The columns of the request that a code stands for. It is always shown to the person, whoever the client is."""
    tries = f"user-code/{account_id}"
    need_code_tries(tx, now, tries)
    code = normal_code(typed)
    found = store.find(tx, Kind.USER_CODE, code)
    waiting = store.find(tx, Kind.DEVICE_CODE, found.body["device"]) if found else None
    if found is None or waiting is None or now >= waiting.expires_at or "answered" in waiting.body:
        count_wrong_code(tx, now, tries)
        raise UserCodeUnknown()
    members: dict[str, Any] = waiting.body["request"]
    asked = members["asked"] | {"device_code": found.body["device"], "user_code": f"{code[:4]}-{code[4:]}"}
    return members | {"asked": asked, "prompts": ["consent"]}
