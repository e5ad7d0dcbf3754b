"""Who is it? (OpenID Connect Core, 5.3), answered to the bearer of one of our access tokens."""

from starlette.responses import Response

from idp.keys.actions import signing_key
from idp.oidc.answers import NO_STORE, issued
from idp.oidc.bearer import BearerRefused, read_bearer
from idp.oidc.claims import let_out
from idp.oidc.endpoint import Call, endpoint, only_reads
from shared.tokens import sign


def userinfo(call: Call) -> Response:
    own = read_bearer(call)
    if own.living is None or "openid" not in own.living.scopes:
        raise BearerRefused(error="insufficient_scope", status_code=403)
    claims = {"sub": own.claims["sub"], **let_out(own.living, "userinfo")}
    if not own.client.userinfo_alg:
        return issued(claims)
    key = signing_key(call.tx, call.settings, own.client.userinfo_alg)
    signed = sign({**claims, "iss": call.settings.issuer, "aud": own.client.id}, key, typ="JWT")
    return Response(signed, media_type="application/jwt", headers=NO_STORE)


answer = endpoint(userinfo, "GET", "POST", reads=only_reads)
