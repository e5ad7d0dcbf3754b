"""Who is it? (OpenID Connect Core, 5.3), answered to the bearer of one of our access tokens (RFC 6750)."""

from authlib.oauth2 import OAuth2Error
from starlette.responses import JSONResponse, Response

from idp.keys.actions import signing_key
from idp.oidc.answers import NO_STORE
from idp.oidc.claims import let_out
from idp.oidc.endpoint import Call, endpoint
from idp.oidc.own_tokens import OwnToken, read_access_token
from shared.tokens import sign


class BearerRefused(OAuth2Error):  # type: ignore[misc]
    """RFC 6750, 3.1: no error code to who sent no credentials at all."""

    def get_headers(self) -> list[tuple[str, str]]:
        challenge = f'Bearer error="{self.error}"' if self.error else "Bearer"
        return [("WWW-Authenticate", challenge)]

    def get_body(self) -> list[tuple[str, str]]:
        return [("error", self.error)] if self.error else []


def userinfo(call: Call) -> Response:
    own = read_bearer(call)
    if own.living is None or "openid" not in own.living.scopes:
        raise BearerRefused(error="insufficient_scope", status_code=403)
    claims = {"sub": own.claims["sub"], **let_out(own.living, "userinfo")}
    if not own.client.userinfo_alg:
        return JSONResponse(claims, headers=NO_STORE)
    key = signing_key(call.tx, call.settings, own.client.userinfo_alg)
    signed = sign({**claims, "iss": call.settings.issuer, "aud": own.client.id}, key, typ="JWT")
    return Response(signed, media_type="application/jwt", headers=NO_STORE)


def read_bearer(call: Call) -> OwnToken:
    """The one access token of a request, in the header or the form (RFC 6750, 2.1 and 2.2)."""
    sent = [header[7:] for header in call.request.headers.getlist("authorization") if header[:7].lower() == "bearer "]
    if call.request.method == "POST" and "access_token" in call.params:
        sent.append(call.params["access_token"])
    if not sent:
        raise BearerRefused(error="", status_code=401)
    if len(sent) > 1:
        raise BearerRefused(error="invalid_request", status_code=400)
    own = read_access_token(call, sent[0].strip(), call.settings.issuer)
    if own is None:
        raise BearerRefused(error="invalid_token", status_code=401)
    call.client = own.client
    return own


answer = endpoint(userinfo, "GET", "POST", reads=True)
