from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError, InvalidScopeError, UnauthorizedClientError
from sqlalchemy import select

from idp.keys.actions import all_keys
from idp.oidc import claims
from idp.oidc.endpoint import Call
from idp.oidc.living import Living, read_grant
from idp.oidc.models import Consent, Grant
from idp.oidc.own_tokens import concerns, read_access_token
from idp.oidc.resources import asked_resources
from idp.oidc.sid import session_of
from shared import audit
from shared.tokens import InvalidToken, verify

TYPE = "urn:ietf:params:oauth:token-type:"
ACCESS, ID = f"{TYPE}access_token", f"{TYPE}id_token"
MOST_ACTORS = 5  # in a chain of delegations


@dataclass(frozen=True)
class Presented:
    """A token of ours that was handed in. `living` is None for a client's token on its own behalf."""

    claims: dict[str, Any]
    client_id: str
    living: Living | None


def exchange_token(call: Call) -> dict[str, Any]:
    """Token exchange (RFC 8693): an access token for further services, on behalf of the person of the subject token.

    What comes out hangs on the subject's grant, names who acts, and never outlives the token that was handed in: else a token
    exchanged in a circle would live for ever. There is no refresh token.
    """
    if call.caller.is_public:
        raise UnauthorizedClientError("A public client may not exchange tokens.")
    if call.params.get("requested_token_type", ACCESS) != ACCESS:
        raise InvalidRequestError("Only access tokens are issued here.")
    subject, actor = _presented(call, "subject"), _presented(call, "actor")
    if subject is None or subject.living is None:
        raise InvalidRequestError("A subject_token of a person is needed.")
    living = subject.living._replace(scopes=_scopes(call, subject), asked=_asked(call, subject, actor))
    _need_consent(call, living)
    until = datetime.fromtimestamp(subject.claims["exp"], UTC)
    token = claims.access_token(call.tx, call.now, call.settings, call.caller, living, call.key, latest=until)
    acting = living.asked.get("act", {}).get("sub", "-")
    audit.record(call.tx, call.now, "token.exchanged", actor=call.caller.id, object=living.grant_id, acting=acting)
    lifetime = min(until - call.now, call.settings.access_token_lifetime)
    return {
        "access_token": token,
        "issued_token_type": ACCESS,
        "token_type": "DPoP" if "jkt" in call.key else "Bearer",
        "expires_in": max(0, int(lifetime.total_seconds())),
        "scope": " ".join(living.scopes),
    }


def _presented(call: Call, role: str) -> Presented | None:
    """The subject or the actor token, or None where none was sent. All that is wrong with it is `invalid_request` (2.2.2)."""
    token, kind = call.params.get(f"{role}_token"), call.params.get(f"{role}_token_type")
    if (token is None) != (kind is None):
        raise InvalidRequestError(f"The {role}_token and its type go together.")
    if token is None:
        return None
    found = _access(call, token) if kind == ACCESS else _id(call, token) if kind == ID else None
    if found is None:
        raise InvalidRequestError(f"The {role}_token is not valid, or not this client's to exchange.")
    if found.claims.get("cnf", {}) not in ({}, call.key):
        raise InvalidRequestError(f"The {role}_token is bound to a key that was not proved.")
    return found


def _access(call: Call, token: str) -> Presented | None:
    own = read_access_token(call, token)
    if own is None or not concerns(own, call.caller):
        return None
    return Presented(own.claims, own.client.id, own.living)


def _id(call: Call, token: str) -> Presented | None:
    """An ID token of this very client, while it is in time: it stands for the newest grant of its session."""
    try:
        keys = all_keys(call.tx, call.settings)
        said = verify(token, keys, call.now, issuer=call.settings.issuer, audience=call.caller.id, typ="jwt")
    except InvalidToken:
        return None
    if call.now.timestamp() >= said["exp"]:  # ours was the clock that it was made by: no leeway
        return None
    session_id = session_of(call.settings, call.caller, str(said.get("sid")))
    given = select(Grant.id).where(Grant.session_id == session_id, Grant.client_id == call.caller.id)
    grant_id = call.tx.scalars(given.where(Grant.revoked_at.is_(None)).order_by(Grant.created_at.desc()).limit(1)).first()
    living = read_grant(call.tx, grant_id) if grant_id else None
    if living is None or not living.is_living(call.now, call.settings):
        return None
    return Presented(said, call.caller.id, living)


def _scopes(call: Call, subject: Presented) -> list[str]:
    """Those of the subject token that this client may have; never more, and none that would outlive it."""
    said, granted = subject.claims.get("scope"), subject.living.scopes if subject.living else []
    had = granted if said is None else said.split()
    may_have = [scope for scope in had if scope in granted and scope in call.caller.scopes and scope != "offline_access"]
    wanted = call.params["scope"].split() if "scope" in call.params else may_have
    if not set(wanted) <= set(may_have):
        raise InvalidScopeError("The scope is wider than that of the subject token, or of this client.")
    return wanted


def _asked(call: Call, subject: Presented, actor: Presented | None) -> dict[str, Any]:
    resources = asked_resources(call.pairs, call.caller, "resource", "audience") or call.caller.audiences
    asked: dict[str, Any] = {"resources": resources}
    # A person allows details each time anew, and then to one client.
    allowed = subject.client_id == call.caller.id or call.caller.trusted
    given = subject.claims.get("authorization_details", []) if allowed else []
    if details := [one for one in given if one["type"] in call.caller.details_types]:
        asked["details"] = details
    if acting := _acting(call, subject, actor):
        asked["act"] = acting
    return asked


def _acting(call: Call, subject: Presented, actor: Presented | None) -> dict[str, Any]:
    """The chain of who acts for the person, the newest outermost (4.1): the actor of the actor token; without one, the client
    itself where the token was another's, so that nobody acts unnamed."""
    before = subject.claims.get("act", {})
    if actor is not None:
        now: dict[str, Any] = {"sub": actor.claims["sub"], "client_id": actor.client_id}
    elif subject.client_id != call.caller.id:
        now = {"sub": call.caller.id, "client_id": call.caller.id}
    else:
        now = {}
    allowed = subject.claims.get("may_act")
    if allowed is not None and not (now and isinstance(allowed, dict) and _is_the_one(call, allowed, now)):
        raise InvalidRequestError("The subject_token names somebody else who may act.")
    chain = now | {"act": before} if now and before else now or before
    if _length(chain) > MOST_ACTORS:
        raise InvalidRequestError("Too many have acted already.")
    return chain


def _is_the_one(call: Call, allowed: dict[str, Any], acting: dict[str, Any]) -> bool:
    """Whether all that `may_act` says holds of who acts (4.4)."""
    known = acting | {"iss": call.settings.issuer}
    return "sub" in allowed and all(known.get(name) == value for name, value in allowed.items())


def _length(chain: dict[str, Any]) -> int:
    return 1 + _length(chain.get("act", {})) if chain else 0


def _need_consent(call: Call, living: Living) -> None:
    """A client that is not the province's own gets for its person what that person has allowed it, also by this way."""
    if call.caller.trusted:
        return
    consent = call.tx.get(Consent, (living.account_id, call.caller.id))
    if consent is None or not set(living.scopes) <= set(consent.scopes):
        raise InvalidRequestError("The person has not allowed this client to have this.")
