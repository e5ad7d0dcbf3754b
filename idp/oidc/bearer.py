"""The access token that comes with a request to one of our own resources (RFC 6750; RFC 9449, 7; RFC 8705, 3)."""

from authlib.oauth2 import OAuth2Error

from idp.oidc.binding import JKT, holds
from idp.oidc.dpop import NonceNeeded, ProofRefused, proven_key
from idp.oidc.endpoint import Call
from idp.oidc.own_tokens import OwnToken, read_access_token
from shared.tokens import PROOF_ALGORITHMS


class BearerRefused(OAuth2Error):  # type: ignore[misc]
    """RFC 6750, 3.1: no error code to who sent no credentials at all."""

    challenge = "Bearer"

    def get_headers(self) -> list[tuple[str, str]]:
        told = [f'error="{self.error}"'] if self.error else []
        if self.challenge == "DPoP":
            told.append(f'algs="{" ".join(PROOF_ALGORITHMS)}"')
        return [("WWW-Authenticate", f"{self.challenge} {', '.join(told)}".strip())]

    def get_body(self) -> list[tuple[str, str]]:
        return [("error", self.error)] if self.error else []


class DpopRefused(BearerRefused):
    challenge = "DPoP"


def read_bearer(call: Call) -> OwnToken:
    """The one access token of a request, in the header or the form, from who holds the key that it is bound to."""
    headers = (value.decode("latin-1") for name, value in call.request.scope["headers"] if name == b"authorization")
    sent = [header.partition(" ") for header in headers]
    tokens = [(scheme.lower(), token.strip()) for scheme, _, token in sent if scheme.lower() in ("bearer", "dpop")]
    if call.request.method == "POST" and "access_token" in call.params:
        tokens.append(("bearer", call.params["access_token"]))
    if not tokens:
        raise BearerRefused(error="", status_code=401)
    if len(tokens) > 1:
        raise BearerRefused(error="invalid_request", status_code=400)
    scheme, token = tokens[0]
    own = read_access_token(call, token, call.settings.issuer)
    if own is None:
        raise BearerRefused(error="invalid_token", status_code=401)
    call.client = own.client
    _check_key(call, own, scheme, token)
    return own


def _check_key(call: Call, own: OwnToken, scheme: str, token: str) -> None:
    bound_to = own.claims.get("cnf", {})
    refused = DpopRefused if JKT in bound_to else BearerRefused
    jkt = None
    if scheme == "dpop":
        try:
            jkt = proven_key(call, own.client, access_token=token)
        except (ProofRefused, NonceNeeded) as error:
            raise DpopRefused(error=error.error, description=error.description, status_code=401) from None
    if (scheme == "dpop") != (JKT in bound_to) or not holds(call, bound_to, jkt):
        raise refused(error="invalid_token", status_code=401)
