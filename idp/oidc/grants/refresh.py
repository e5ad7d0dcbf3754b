import hmac
from base64 import urlsafe_b64encode
from datetime import timedelta
from functools import cache
from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError, InvalidScopeError

from idp.keys.sealing import derive
from idp.login.sessions import TOUCH_EVERY
from idp.oidc import store
from idp.oidc.endpoint import Call
from idp.oidc.issuing import asked_for, keep_alive, narrowed, revoke, tokens
from idp.oidc.living import Living, read_grant
from idp.oidc.store import Found, Kind
from shared import audit

GRACE = timedelta(seconds=10)


def refresh(call: Call) -> dict[str, Any]:
    """The refresh token grant with rotation (RFC 9700, 4.14): a token that comes twice was stolen from one of the two.

    Within the grace, a second use whose first answer may have been lost gets the same successor again. That of a FAPI client
    stays: it is of use only together with the client's own key (FAPI 2.0, 5.3.2.1).
    """
    sent = call.params.get("refresh_token")
    if sent is None:
        raise InvalidRequestError("The refresh_token is missing.")
    stays = call.caller.is_fapi
    kind = Kind.REFRESH_TOKEN
    token = store.find(call.tx, kind, sent) if stays else store.use(call.tx, kind, sent, call.now)
    if token is None or token.grant_id is None:
        raise InvalidGrantError("The refresh token is not valid.")
    living = read_grant(call.tx, token.grant_id)
    successor = sent if stays else _successor(call, sent)
    again = not stays and token.used_at is not None and _may_come_again(call, token, successor)
    if living is None or living.client_id != call.caller.id or (token.used_at and not again):
        audit.record(call.tx, call.now, "refresh-token.reused", actor=call.caller.id, object=token.grant_id)
        revoke(call.tx, call.now, token.grant_id, "refresh-token-reused", actor=call.caller.id)
        raise InvalidGrantError("The refresh token is not valid.")
    living = narrowed(call.tx, living, call.caller)
    if call.now >= token.expires_at or not living.is_living(call.now, call.settings):
        raise InvalidGrantError("The refresh token is not valid.")
    try:
        living = _asked_for(call, living)
    except OAuth2Error:
        store.give_back(call.tx, Kind.REFRESH_TOKEN, sent, token)  # an honest mistake costs nobody the token
        raise
    keep_alive(call.tx, call.now, call.settings, living)
    until = call.now + call.settings.offline_lifetime
    if stays and living.offline and until - token.expires_at > TOUCH_EVERY:
        audit.hold(call.tx)
        store.keep(call.tx, kind, sent, until)
    return tokens(call, living, refresh_token=successor, again=again or stays)


def _asked_for(call: Call, living: Living) -> Living:
    """With no more than the request names (RFC 6749, 6), for who holds the key that it is bound to."""
    if living.key and living.key != call.key:
        raise InvalidGrantError("The refresh token belongs to another key.")
    living = asked_for(call, living)
    if "scope" not in call.params:
        return living
    asked = call.params["scope"].split()
    if not set(asked) <= set(living.scopes):
        raise InvalidScopeError("The scope is wider than the grant.")
    return living._replace(scopes=[scope for scope in living.scopes if scope in asked])


def _may_come_again(call: Call, token: Found, successor: str) -> bool:
    following = store.find(call.tx, Kind.REFRESH_TOKEN, successor)
    recent = token.used_at is not None and call.now - token.used_at <= GRACE
    return recent and following is not None and following.used_at is None


def _successor(call: Call, token: str) -> str:
    """The token that follows: derived, so that it can be told twice though only its digest is kept."""
    mac = hmac.digest(_key(call.settings.secret.get_secret_value()), token.encode(), "sha256")
    return urlsafe_b64encode(mac).decode().rstrip("=")


@cache
def _key(secret: str) -> bytes:
    return derive(secret, "refresh-tokens")
