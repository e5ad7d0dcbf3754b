"""What a client has signed, by the keys that it has registered or publishes (RFC 7591, 2: `jwks`, `jwks_uri`)."""

import json
from functools import lru_cache
from typing import Any

from idp.clients.models import Client
from idp.clients.rules import SIGNED_BY
from idp.oidc.outbound import Fetched
from shared.tokens import UNKNOWN_KEY, InvalidToken, verify_theirs

FAPI_ALGORITHMS = ("ES256", "PS256")  # FAPI 2.0 Security Profile, 5.4.1


def algorithms_of(client: Client, registered: str = "") -> tuple[str, ...]:
    """Those by which the client may sign: `registered` alone if it names one, and none outside its profile."""
    return tuple(alg for alg in (FAPI_ALGORITHMS if client.is_fapi else SIGNED_BY) if registered in ("", alg))


def verify_of_client(
    fetched: Fetched, client: Client, token: str, algorithms: tuple[str, ...]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token that the client has signed, or `InvalidToken`."""
    if client.jwks or not client.jwks_uri:
        return verify_theirs(token, client.jwks, algorithms)
    try:
        return verify_theirs(token, key_set(fetched.need(client.jwks_uri)), algorithms)
    except InvalidToken as refused:
        if refused.facts["reason"] != UNKNOWN_KEY:
            raise
        return verify_theirs(token, key_set(fetched.need_anew(client.jwks_uri)), algorithms)


@lru_cache(maxsize=1024)
def key_set(text: bytes | None) -> Any:
    try:
        return json.loads(text or b"{}")
    except (ValueError, RecursionError):
        return {}
