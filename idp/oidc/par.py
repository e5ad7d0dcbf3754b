"""Pushed authorization requests (RFC 9126): the same checks, from a client that has authenticated."""

from datetime import timedelta

from authlib.oauth2.rfc6749 import InvalidRequestError
from starlette.responses import Response

from idp.login.rules import REQUEST_LIFETIME
from idp.oidc import store
from idp.oidc.answers import issued
from idp.oidc.checks import Ask, run_checks
from idp.oidc.client_auth import authenticate
from idp.oidc.dpop import ProofRefused, proven_key
from idp.oidc.endpoint import Call, endpoint
from idp.oidc.floods import need_room
from idp.oidc.store import Kind
from shared.ids import new_token

PUSHED = "urn:ietf:params:oauth:request_uri:"
LIFETIME = timedelta(seconds=90)


def push(call: Call) -> Response:
    call.client = authenticate(call)
    if "request_uri" in call.params:
        raise InvalidRequestError("A pushed request names no request_uri (RFC 9126, 2.1).")
    ask = Ask(call.params, call.tx, call.settings, call.now, call.pairs, call.fetched, client=call.client)
    run_checks(ask, "par")
    need_room(call, Kind.PUSHED)
    secret = new_token()
    kept = [(name, value) for name, value in ask.pairs if name in ask.params and name not in CREDENTIALS]
    if (jkt := _bound_to(call, ask)) and "dpop_jkt" not in ask.params:
        kept.append(("dpop_jkt", jkt))
    body = {"client": call.client.id, "pairs": kept, "signed": ask.signed}
    # Kept as long as somebody who has opened it in time may still be on the way to its answer: it is answered once.
    store.put(call.tx, Kind.PUSHED, secret, call.now + LIFETIME + REQUEST_LIFETIME, body=body)
    return issued({"request_uri": f"{PUSHED}{secret}", "expires_in": int(LIFETIME.total_seconds())}, 201)


def _bound_to(call: Call, ask: Ask) -> str | None:
    """A proof that comes with the request binds its code to the key (RFC 9449, 10.1)."""
    jkt = proven_key(call, call.caller, nonce_needed=call.caller.is_fapi)
    if jkt and ask.params.get("dpop_jkt", jkt) != jkt:
        raise ProofRefused("The dpop_jkt is not that of the key of the proof.")
    return jkt


CREDENTIALS = {"client_secret", "client_assertion", "client_assertion_type"}

answer = endpoint(push, "POST", name="par")
