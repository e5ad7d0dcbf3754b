"""Pushed authorization requests (RFC 9126): the same checks, from a client that has authenticated."""

from authlib.oauth2 import OAuth2Error
from fastapi import APIRouter, Request, Response

from idp.login.requests import store_request
from idp.login.rules import REQUEST_LIFETIME
from idp.oidc.answers import issued, refusal
from idp.oidc.authorize import PUSHED
from idp.oidc.checks import Ask, run_checks
from idp.oidc.client_auth import authenticate
from idp.oidc.params import FormPairs, once
from shared.clock import Now
from shared.db import Tx

router = APIRouter(include_in_schema=False)


@router.post("/par")
def push(request: Request, pairs: FormPairs, tx: Tx, now: Now) -> Response:
    try:
        params = once(pairs)
        ask = Ask(params, tx, request.app.state.settings, client=authenticate(tx, request, params))
        run_checks(ask, "par")
    except OAuth2Error as error:
        return refusal(error)
    stored = store_request(tx, now, **ask.members())
    return issued({"request_uri": f"{PUSHED}{stored.id}", "expires_in": int(REQUEST_LIFETIME.total_seconds())}, 201)
