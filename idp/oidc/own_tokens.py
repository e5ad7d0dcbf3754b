"""An access token of ours that comes back: whose it is, and whether it still counts."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from idp.clients.models import Client, find_client
from idp.keys.actions import KeyRing, key_ring
from idp.oidc import store
from idp.oidc.claims import ACCESS_TOKEN_ALG
from idp.oidc.endpoint import Call
from idp.oidc.living import Living, read_grant
from idp.oidc.store import Kind
from shared.db import kept
from shared.tokens import InvalidToken, claims_hold, verify_signature

LONGEST_TOKEN = 8192  # signs


@dataclass(frozen=True, slots=True)
class OwnToken:
    """`living` is None for a client's token on its own behalf; else its scopes are those of the token. Its `scope` is without
    what was since taken from the client."""

    claims: dict[str, Any]
    client: Client
    living: Living | None


@lru_cache(maxsize=2048)
def _signed_by_us(token: str, ring: KeyRing) -> tuple[dict[str, Any], dict[str, Any]]:
    # Resource servers ask for the same token again and again, and a signature once checked stays true.
    return verify_signature(token, ring.known, (ACCESS_TOKEN_ALG,))


def read_access_token(call: Call, token: str, audience: str | None = None) -> OwnToken | None:
    """The token, if it is ours, in time, not revoked, and its grant and its client live."""
    if len(token) > LONGEST_TOKEN:
        return None
    try:
        header, claims = _signed_by_us(token, key_ring(call.tx, call.settings))
        claims_hold(header, claims, call.now, issuer=call.settings.issuer, audience=audience, typ="at+jwt")
    except InvalidToken:
        return None
    if call.now.timestamp() >= claims["exp"]:  # ours was the clock that it was made by: no leeway
        return None
    client = find_client(call.tx, str(claims.get("client_id")))
    if client is None:
        return None
    jti = str(claims["jti"])
    said = [scope for scope in claims["scope"].split() if scope in client.scopes]  # not what was since taken from the client
    if "grant_id" not in claims:
        revoked = kept(call.tx, f"revoked/{jti}", lambda: store.find(call.tx, Kind.REVOKED, jti), until_written=True)
        return None if revoked else OwnToken(claims | {"scope": " ".join(said)}, client, None)
    grant_id = str(claims["grant_id"])
    living = kept(call.tx, f"grant/{grant_id}/{jti}", lambda: read_grant(call.tx, grant_id, jti), until_written=True)
    if living is None or not living.is_living(call.now, call.settings):
        return None
    if said != living.scopes or living.client_id != client.id:  # narrowed by refreshing, or exchanged by another client
        asked = living.asked if living.client_id == client.id else {}
        living = living._replace(scopes=[scope for scope in living.scopes if scope in said], asked=asked)
    return OwnToken(claims | {"scope": " ".join(living.scopes)}, client, living)


def concerns(own: OwnToken, client: Client) -> bool:
    """Others' tokens are of no concern (RFC 7662, 4): their audience may ask, which shares an address with its client."""
    return own.client.id == client.id or bool(set(own.claims["aud"]) & {client.id, *client.audiences})
