"""Requests that are made on one device and answered on another: what the device grant (RFC 8628) and CIBA have in common.

The client polls with a secret. A stored request names the waiting artifact by the secret's digest, its handle, so what stands
in the table of requests cannot be exchanged. The artifact's body holds `client`, `interval` and `polled` (seconds), and once
the person has decided, `answered`: "allowed" or "denied".
"""

from datetime import timedelta
from typing import Any

from authlib.oauth2.rfc6749 import AccessDeniedError, InvalidGrantError
from authlib.oauth2.rfc8628.errors import AuthorizationPendingError, ExpiredTokenError, SlowDownError
from starlette.responses import Response

from idp.clients.models import Client
from idp.login.lockout import has_to_wait
from idp.login.problems import RequestExpired, RequestUnknown
from idp.login.rules import Step
from idp.login.sessions import Seen
from idp.oidc import store
from idp.oidc.endpoint import Call
from idp.oidc.issuing import give_grant, kept_for_grant, narrowed, revoke
from idp.oidc.living import Living, read_grant
from idp.oidc.store import Found, Kind
from idp.pages.page import show
from shared import audit
from shared.db import lock
from shared.ids import digest, new_token

LIFETIME = timedelta(minutes=10)
INTERVAL = 5  # seconds between two polls
JITTER = 1  # seconds by which a poll may come too early: the network is not even
NAMES = {"device_code": Kind.DEVICE_CODE, "ciba": Kind.CIBA}  # member of `asked` that holds the handle


def begin(call: Call, kind: Kind, lifetime: timedelta = LIFETIME, **body: Any) -> str:
    """The secret for the client to poll with."""
    secret = new_token()
    waiting = {"client": call.caller.id, "interval": INTERVAL, "polled": 0, **body}
    store.put(call.tx, kind, digest(secret), call.now + lifetime, body=waiting)
    return secret


def is_decoupled(asked: dict[str, Any]) -> bool:
    return bool(asked.keys() & NAMES.keys())


def answer(call: Call, step: Step, client: Client | None, session: Seen | None, members: dict[str, Any]) -> Response:
    """The person has decided: tell the waiting artifact, once, and the person that all is done here."""
    if step is Step.LOGIN_REQUIRED:
        raise RequestUnknown()  # somebody else than the person whom the request names
    asked = members["asked"]
    kind, handle = next((kind, asked[name]) for name, kind in NAMES.items() if name in asked)
    waiting = _locked(call, kind, handle)
    if waiting is None or "answered" in waiting.body or call.now >= waiting.expires_at or client is None:
        raise RequestExpired(app="", again="")
    allowed = step is Step.ISSUE and session is not None
    if allowed and session:
        kept = kept_for_grant(asked)
        grant_id = give_grant(call.tx, call.now, call.settings, client, session, members["scopes"], asked=kept)
        store.change(call.tx, kind, handle, grant_id=grant_id, answered="allowed")
    else:
        store.change(call.tx, kind, handle, answered="denied")
    return show(call.request, "answered.html", client=client, allowed=allowed)


def poll(call: Call, kind: Kind, secret: str) -> Living:
    """The grant behind an allowed request, once; or RFC 8628's refusals, 3.5, which CIBA shares (section 11)."""
    handle = digest(secret)
    waiting = _locked(call, kind, handle)
    if waiting is None or waiting.used_at or waiting.body["client"] != call.caller.id:
        raise InvalidGrantError("There is no such request of this client.")
    if call.now >= waiting.expires_at:
        raise ExpiredTokenError()
    if waiting.body.get("answered") == "denied":
        raise AccessDeniedError("The person has declined.")
    if waiting.grant_id is None:
        raise _not_yet(call, kind, handle, waiting)
    store.use(call.tx, kind, handle, call.now)
    living = read_grant(call.tx, waiting.grant_id)
    living = living and narrowed(call.tx, living, call.caller)
    if living is None or not living.is_living(call.now, call.settings) or has_to_wait(call.tx, call.now, living.username):
        # Allowed in time, but the account was closed, signed out or locked since.
        revoke(call.tx, call.now, waiting.grant_id, "not-living-at-redemption", actor=call.caller.id)
        raise InvalidGrantError("The grant is not valid any more.")
    return living


def _not_yet(call: Call, kind: Kind, handle: str, waiting: Found) -> AuthorizationPendingError | SlowDownError:
    at, interval = call.now.timestamp(), waiting.body["interval"]
    if at - waiting.body["polled"] < interval - JITTER:
        store.change(call.tx, kind, handle, polled=at, interval=interval + 5)
        return SlowDownError()
    store.change(call.tx, kind, handle, polled=at)
    return AuthorizationPendingError()


def _locked(call: Call, kind: Kind, handle: str) -> Found | None:
    audit.hold(call.tx)
    lock(call.tx, f"{kind}/{handle}")  # a poll and the answer both rewrite the body
    return store.find(call.tx, kind, handle)
