"""The `claims` parameter (OpenID Connect Core, 5.5): single claims, where they shall stand, and what they must be."""

import json
from dataclasses import dataclass, field
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError
from sqlalchemy import select
from sqlalchemy.orm import Session

from idp.clients.models import Client
from idp.oidc.claims import BY_SCOPE, subject
from idp.oidc.models import Grant
from idp.settings import IdpSettings

PLACES = ("id_token", "userinfo")
MOST_NAMES = 100
LONGEST_SUBJECT = 64  # signs


@dataclass(frozen=True)
class ClaimsAsked:
    """`names`: place -> claims. `beyond`: scopes that let out what is asked for here without them. `subjects`: whom the
    answer must be about, as the client knows them. `acr`: values wished for; `essential_acr`: one of them is demanded."""

    names: dict[str, list[str]] = field(default_factory=dict)
    beyond: list[str] = field(default_factory=list)
    subjects: list[str] = field(default_factory=list)
    acr: list[str] = field(default_factory=list)
    essential_acr: bool = False


def read_claims_request(text: str, client: Client, scopes: list[str]) -> ClaimsAsked:
    """What is asked for and the client may have: claims of its own scopes. Unknown claims are left out, as are wishes for the
    value of any claim but `sub` and `acr`: it has the value that it has."""
    places = _parsed(text)
    may_have = {name: scope for scope in client.scopes for name in BY_SCOPE.get(scope, ())}
    covered = {name for scope in scopes for name in BY_SCOPE.get(scope, ())}
    names = {place: sorted(asked.keys() & may_have.keys()) for place, asked in places.items()}
    beyond = {may_have[name] for asked in names.values() for name in asked if name not in covered}
    wishes = [asked[name] or {} for asked in places.values() for name in ("acr",) if name in asked]
    return ClaimsAsked(
        names={place: asked for place, asked in names.items() if asked},
        beyond=sorted(beyond),
        subjects=[value for asked in places.values() for value in _values(asked.get("sub") or {})],
        acr=[value for wish in wishes for value in _values(wish)],
        essential_acr=any(wish.get("essential") is True and _values(wish) for wish in wishes),
    )


def _parsed(text: str) -> dict[str, dict[str, Any]]:
    """Place -> claim -> None or an object; what is at another place is left out."""
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        whole = None
    if not isinstance(whole, dict):
        raise InvalidRequestError("The claims parameter must be a JSON object.")
    places = {place: whole[place] for place in PLACES if whole.get(place) is not None}
    if not all(isinstance(asked, dict) and len(asked) <= MOST_NAMES for asked in places.values()):
        raise InvalidRequestError(f"A member of the claims parameter must be an object of at most {MOST_NAMES} claims.")
    if not all(wish is None or isinstance(wish, dict) for asked in places.values() for wish in asked.values()):
        raise InvalidRequestError("A claim in the claims parameter must be null or an object.")
    return places


def _values(wish: dict[str, Any]) -> list[str]:
    listed = wish.get("values")
    found = [wish["value"]] if "value" in wish else listed if isinstance(listed, list) else []
    return [value for value in found if isinstance(value, str)]


def account_by_subject(tx: Session, settings: IdpSettings, client: Client, sub: str) -> str:
    """The account that the client knows by this `sub`. A pairwise one tells nothing by itself, but whoever has it was signed
    in to the client before; of nobody else the `sub` itself is given, which no account has for its id."""
    sub = sub[:LONGEST_SUBJECT] if sub.isalnum() else "-"  # it is kept and indexed, and nobody's has other signs
    if client.subject_type != "pairwise":
        return sub
    known = tx.scalars(select(Grant.account_id).where(Grant.client_id == client.id).distinct())
    return next((one for one in known if subject(settings, client, one) == sub), sub)
