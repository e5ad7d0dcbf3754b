"""A client that authenticates by a signed assertion: `private_key_jwt` (RFC 7523, 2.2 and 3; OpenID Connect Core, 9)."""

from datetime import UTC, datetime, timedelta
from typing import Any

from authlib.oauth2.rfc6749 import InvalidClientError

from idp.clients.models import Client
from idp.oidc.client_keys import algorithms_of, verify_of_client
from idp.oidc.endpoint import Call
from idp.oidc.replay import LONGEST_ID, first_time
from idp.oidc.store import Kind
from shared.tokens import LEEWAY, InvalidToken, out_of_time, peek_claims

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST = timedelta(minutes=5)
TYPES = ("", "jwt", "client-authentication+jwt")  # never the `typ` of a token that the same key signs for another purpose


def claimed_client(call: Call) -> str:
    """Whose assertion it says it is; empty where it cannot be one."""
    if call.params.get("client_assertion_type") != TYPE:
        return ""
    try:
        return str(peek_claims(call.params.get("client_assertion", "")).get("sub", ""))
    except InvalidToken:
        return ""


def assertion_holds(call: Call, client: Client) -> bool:
    """Whether the client has signed it. Raises `invalid_client` with the claims that do not hold if it has."""
    algorithms = algorithms_of(client, client.assertion_alg)
    try:
        header, claims = verify_of_client(call.fetched, client, call.params["client_assertion"], algorithms)
    except InvalidToken:
        return False
    jti, latest = claims.get("jti"), (call.now + LONGEST + LEEWAY).timestamp()
    checks = {
        "typ": str(header.get("typ", "")).lower() in TYPES,
        "iss": claims.get("iss") == client.id,
        "sub": claims.get("sub") == client.id,
        "aud": _is_for_us(call, client, claims.get("aud")),
        "jti": isinstance(jti, str) and 0 < len(jti) <= LONGEST_ID,
    }
    failed = [name for name, holds in checks.items() if not holds] + out_of_time(claims, call.now, "exp")
    if not failed and claims["exp"] > latest:
        failed = ["exp"]
    if not failed and not first_time(call, Kind.ASSERTION, f"{client.id} {jti}", _forgotten_at(claims)):
        failed = ["jti"]
    if failed:
        raise InvalidClientError(f"The client_assertion does not hold: {', '.join(failed)}.", status_code=401)
    return True


def _forgotten_at(claims: dict[str, Any]) -> datetime:
    return datetime.fromtimestamp(claims["exp"], UTC) + LEEWAY


def _is_for_us(call: Call, client: Client, audience: Any) -> bool:
    """For a FAPI client our issuer, alone and no list (FAPI 2.0, 5.3.2.1): an assertion that another server would take as well
    could be passed on. For others each audience must be one of our own names (RFC 9126, 2)."""
    issuer = call.settings.issuer
    if client.is_fapi:
        return bool(audience == issuer)
    ours = {issuer, f"{issuer}/token", f"{issuer}{call.request.scope['path']}"}
    named = audience if isinstance(audience, list) else [audience]
    return bool(named) and all(isinstance(one, str) and one in ours for one in named)
