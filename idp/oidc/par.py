"""Pushed authorization requests (RFC 9126): the same checks, from a client that has authenticated."""

from datetime import timedelta

from starlette.responses import Response

from idp.oidc import store
from idp.oidc.answers import issued
from idp.oidc.checks import Ask, run_checks
from idp.oidc.client_auth import authenticate
from idp.oidc.endpoint import Call, endpoint
from idp.oidc.store import Kind
from shared.ids import new_token

PUSHED = "urn:ietf:params:oauth:request_uri:"
LIFETIME = timedelta(seconds=90)


def push(call: Call) -> Response:
    call.client = authenticate(call)
    ask = Ask(call.params, call.tx, call.settings, call.now, call.pairs, call.fetched, client=call.client)
    run_checks(ask, "par")
    secret = new_token()
    kept = [(name, value) for name, value in call.pairs if name in ask.params and name not in CREDENTIALS]
    store.put(call.tx, Kind.PUSHED, secret, call.now + LIFETIME, body={"client": call.client.id, "pairs": kept})
    return issued({"request_uri": f"{PUSHED}{secret}", "expires_in": int(LIFETIME.total_seconds())}, 201)


CREDENTIALS = {"client_secret", "client_assertion", "client_assertion_type"}

answer = endpoint(push, "POST", name="par")
