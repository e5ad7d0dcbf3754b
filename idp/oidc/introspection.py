"""Is this token still good? (RFC 7662), asked by a confidential client: one that it was issued to, or issued for. The answer
can be signed (RFC 9701)."""

from typing import Any

from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError
from starlette.responses import Response

from idp.clients.rules import Profile
from idp.keys.actions import signing_key
from idp.oidc import store
from idp.oidc.answers import NO_STORE, issued
from idp.oidc.client_auth import authenticate
from idp.oidc.endpoint import Call, endpoint, only_reads
from idp.oidc.living import read_grant
from idp.oidc.own_tokens import concerns, read_access_token
from idp.oidc.store import Kind
from shared.tokens import sign

INACTIVE = {"active": False}
TYPE = "token-introspection+jwt"
SIGNED = f"application/{TYPE}"


def introspect(call: Call) -> Response:
    call.client = authenticate(call)
    if call.client.is_public:
        raise InvalidClientError("A public client may not introspect tokens.", status_code=401)
    if "token" not in call.params:
        raise InvalidRequestError("The token is missing.")
    told = _what_is(call, call.params["token"])
    return _signed(call, told) if _wants_signed(call) else issued(told)


def _wants_signed(call: Call) -> bool:
    """For who asks for it, and always for a client that is registered so, or signs its messages (RFC 9701, 4 and 6)."""
    always = call.caller.introspection_alg or call.caller.profile == Profile.FAPI2_SIGNED
    return bool(always) or SIGNED in call.request.headers.get("accept", "")


def _signed(call: Call, told: dict[str, Any]) -> Response:
    """RFC 9701, 5: no `sub` and no `exp` outside, so that it cannot pass for an access token."""
    key = signing_key(call.tx, call.settings, call.caller.introspection_alg or ("ES256" if call.caller.is_fapi else "RS256"))
    about = {"iss": call.settings.issuer, "aud": call.caller.id, "iat": int(call.now.timestamp()), "token_introspection": told}
    return Response(sign(about, key, typ=TYPE), media_type=SIGNED, headers=NO_STORE)


def _what_is(call: Call, token: str) -> dict[str, Any]:
    if own := read_access_token(call, token):
        if not concerns(own, call.caller):
            return INACTIVE
        return {"active": True, "token_type": "DPoP" if "jkt" in own.claims.get("cnf", {}) else "Bearer", **own.claims}
    found = store.find(call.tx, Kind.REFRESH_TOKEN, token)
    if found is None or found.grant_id is None or found.used_at or call.now >= found.expires_at:
        return INACTIVE
    living = read_grant(call.tx, found.grant_id)
    if living is None or living.client_id != call.caller.id or not living.is_living(call.now, call.settings):
        return INACTIVE
    until = int(found.expires_at.timestamp())
    return {"active": True, "client_id": living.client_id, "scope": " ".join(living.scopes), "exp": until}


answer = endpoint(introspect, "POST", reads=only_reads)
