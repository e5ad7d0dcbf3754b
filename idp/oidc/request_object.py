"""Authorization requests in a signed object (JAR, RFC 9101; OpenID Connect Core, 6), sent along or fetched from an address that
the client has registered."""

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from authlib.oauth2 import OAuth2Error

from idp.clients.models import Client
from idp.oidc.client_keys import algorithms_of, verify_of_client
from idp.oidc.params import REPEATABLE, once
from shared.tokens import InvalidToken, out_of_time

if TYPE_CHECKING:
    from idp.oidc.checks import Ask

TYPES = ("", "jwt", "oauth-authz-req+jwt")  # never the `typ` of a token that the same key signs for another purpose
OF_THE_OBJECT = frozenset(("iss", "sub", "aud", "exp", "nbf", "iat", "jti"))
LONGEST = timedelta(minutes=60)  # of a FAPI client's (FAPI 2.0 Message Signing, 5.3.1)


class InvalidRequestObject(OAuth2Error):  # type: ignore[misc]
    error = "invalid_request_object"


class InvalidRequestUri(OAuth2Error):  # type: ignore[misc]
    error = "invalid_request_uri"


def request_object(ask: "Ask") -> None:
    """Put what the object says in the place of all parameters (RFC 9101, 6.3): what stands outside of it is signed by nobody.

    A refusal goes to the redirect URI outside only if it is the client's.
    """
    if ask.client is None or not {"request", "request_uri"} & ask.params.keys():
        return
    try:
        claims = _checked(ask, ask.client, _sent(ask, ask.client))
        pairs = [*parameters(claims), ("client_id", ask.client.id)]
        ask.pairs, ask.params, ask.signed = pairs, once(pairs), True
    except OAuth2Error:
        outside = ask.params.get("redirect_uri", "")
        ask.trusted_uri = outside if ask.client.knows_redirect_uri(outside) else None
        raise


def _sent(ask: "Ask", client: Client) -> str:
    if "request" in ask.params:
        if "request_uri" in ask.params:
            raise InvalidRequestObject("One of request and request_uri, not both.")
        return ask.params["request"]
    place = ask.params["request_uri"].partition("#")[0]
    if not place.startswith("https://") or place not in {known.partition("#")[0] for known in client.request_uris}:
        raise InvalidRequestUri("The client has not registered this request_uri.")
    found = ask.fetched.need_anew(place)
    if found is None:
        raise InvalidRequestUri("Nothing can be had from the request_uri.")
    return found.decode("latin-1").strip()


def _checked(ask: "Ask", client: Client, token: str) -> dict[str, Any]:
    algorithms = algorithms_of(client, client.request_object_alg)
    try:
        header, claims = verify_of_client(ask.fetched, client, token, algorithms)
    except InvalidToken as refused:
        raise InvalidRequestObject(f"The request object is not signed by this client: {refused.facts['reason']}.") from None
    audience = claims.get("aud")
    checks = {
        "typ": str(header.get("typ", "")).lower() in TYPES,
        "iss": claims.get("iss") == client.id,
        "client_id": claims.get("client_id", client.id) == client.id,
        "sub": claims.get("sub") != client.id,  # else it could pass for a client assertion (RFC 9101, 10.8)
        "aud": ask.settings.issuer in (audience if isinstance(audience, list) else [audience]),
        "request": not {"request", "request_uri"} & claims.keys(),
    }
    failed = [name for name, holds in checks.items() if not holds]
    failed += out_of_time(claims, ask.now, *(("exp", "nbf") if client.is_fapi else ()))
    if not failed and client.is_fapi:
        too_long = claims["exp"] - claims["nbf"] > LONGEST.total_seconds()
        too_old = ask.now.timestamp() - claims["nbf"] > LONGEST.total_seconds()
        failed = ["exp"] * too_long + ["nbf"] * too_old
    if failed:
        raise InvalidRequestObject(f"The request object does not hold: {', '.join(failed)}.")
    return claims


def parameters(claims: dict[str, Any]) -> list[tuple[str, str]]:
    """As they would stand in a query (RFC 9101, 4): numbers in digits, objects and lists as JSON."""
    pairs: list[tuple[str, str]] = []
    for name, value in claims.items():
        if name in OF_THE_OBJECT or name == "client_id":
            continue
        if isinstance(value, bool | float) or value is None:
            raise InvalidRequestObject("The request object holds a parameter of the wrong type.")
        many = name in REPEATABLE and isinstance(value, list)
        values = value if many else [value]
        pairs.extend((name, one if isinstance(one, str) else json.dumps(one)) for one in values)
    return pairs
