"""The checks of an authorization request: one table for every endpoint that takes one."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

from authlib.oauth2.rfc6749 import (
    InvalidRequestError,
    InvalidScopeError,
    OAuth2Error,
    UnauthorizedClientError,
    UnsupportedResponseTypeError,
)
from authlib.oauth2.rfc7636.challenge import CODE_CHALLENGE_PATTERN
from sqlalchemy.orm import Session

from idp.clients.models import Client, find_client
from idp.clients.rules import CODE
from idp.login.rules import PASSWORD, TWO_FACTOR
from idp.oidc.claims_request import account_by_subject, read_claims_request
from idp.oidc.details import asked_details
from idp.oidc.fapi import (
    JWT_MODES,
    pushed_where_required,
    signed_answers,
    signed_mode_where_required,
    signed_where_required,
)
from idp.oidc.hints import account_of, read_hint
from idp.oidc.outbound import Fetched
from idp.oidc.params import Pairs, Params
from idp.oidc.request_object import request_object
from idp.oidc.resources import asked_resources
from idp.settings import IdpSettings

PROMPTS = {"none", "login", "consent", "select_account"}
RESPONSE_MODES = ("query", "fragment", "form_post", *JWT_MODES)
THUMBPRINT = re.compile("[A-Za-z0-9_-]{43}")
ACR_VALUES = (PASSWORD, TWO_FACTOR)
LONGEST = {"state": 4096, "nonce": 1024, "redirect_uri": 2000, "scope": 1024, "code_challenge": 128}  # signs

Endpoint = Literal["authorize", "par", "device", "ciba"]


@dataclass
class Ask:
    """One request under way through the table. `trusted_uri` is set once the redirect URI is known to be the client's:
    before that, a refusal is told to the person only and never sent anywhere.

    `asked` is what is kept beside scopes: `claims` (place -> names), `beyond` (the scopes of those), `acr_values`,
    `essential_acr`, `resources`, `details`, `dpop_jkt`, `response_mode`, `pushed`.
    """

    params: Params
    tx: Session
    settings: IdpSettings
    now: datetime
    pairs: Pairs = ()
    fetched: Fetched = field(default_factory=Fetched)
    client: Client | None = None
    trusted_uri: str | None = None
    pushed: bool = False
    signed: bool = False
    hint_subject: str | None = None
    scopes: list[str] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)
    max_age: int | None = None
    asked: dict[str, Any] = field(default_factory=dict)

    # With these it can be judged by `next_step` before anything is stored.
    consented_at: datetime | None = None
    denied_at: datetime | None = None

    @property
    def created_at(self) -> datetime:
        return self.now

    def members(self) -> dict[str, Any]:
        """The columns of the stored request."""
        return {
            "client_id": self.client.id if self.client else None,
            "redirect_uri": self.trusted_uri or "",
            "scopes": self.scopes,
            "state": self.params.get("state"),
            "nonce": self.params.get("nonce"),
            "code_challenge": self.params.get("code_challenge", ""),
            "prompts": self.prompts,
            "max_age": self.max_age,
            "login_hint": self.params.get("login_hint", "")[:100],
            "hint_subject": self.hint_subject,
            "asked": self.asked,
        }


def known_client(ask: Ask) -> None:
    client = find_client(ask.tx, ask.params.get("client_id", ""))
    if client is None:
        raise InvalidRequestError("The client_id is missing or unknown.")
    ask.client = client


def registered_redirect_uri(ask: Ask) -> None:
    uri = ask.params.get("redirect_uri", "")
    if not ask.client or not ask.client.knows_redirect_uri(uri):
        raise InvalidRequestError("The redirect_uri is missing or not registered for this client.")
    ask.trusted_uri = uri


def known_response_mode(ask: Ask) -> None:
    mode = ask.params.get("response_mode") or ask.asked.get("response_mode", "query")
    if mode not in RESPONSE_MODES:
        raise InvalidRequestError("The response_mode is not one of those in the provider's metadata.")
    ask.asked["response_mode"] = mode


def code_flow_only(ask: Ask) -> None:
    if "response_type" not in ask.params:
        raise InvalidRequestError("The response_type is missing.")
    if ask.params["response_type"] != "code":
        raise UnsupportedResponseTypeError("", description="Only the response_type code is supported.")


def bounded(ask: Ask) -> None:
    if any(len(ask.params.get(name, "")) > most for name, most in LONGEST.items()):
        raise InvalidRequestError("A parameter is too long.")


def allowed_for_client(ask: Ask) -> None:
    if ask.client and CODE not in ask.client.grant_types:
        raise UnauthorizedClientError("The client may not use the authorization code grant.")


def known_scopes(ask: Ask) -> None:
    """Unknown scopes are left out (OpenID Connect Core, 3.1.2.1); the token response tells what remains."""
    wanted = ask.params.get("scope", "").split(" ")
    ask.scopes = [scope for scope in dict.fromkeys(wanted) if ask.client and scope in ask.client.scopes]


def openid_scope(ask: Ask) -> None:
    if "openid" not in ask.scopes:
        raise InvalidScopeError("The scope must hold openid.")


def pkce_s256(ask: Ask) -> None:
    """By S256 only (RFC 7636; RFC 9700, 2.1.1): an omitted method would mean `plain`. A confidential client may be
    registered to go without, and is then protected by its own authentication and the nonce."""
    challenge = ask.params.get("code_challenge", "")
    needed = ask.client is None or ask.client.is_public or ask.client.is_fapi or ask.client.require_pkce
    if not challenge and not needed and "code_challenge_method" not in ask.params:
        return
    if not CODE_CHALLENGE_PATTERN.fullmatch(challenge):
        raise InvalidRequestError("A code_challenge is required (PKCE).")
    if ask.params.get("code_challenge_method") != "S256" or len(challenge) != 43:
        raise InvalidRequestError("The code_challenge_method must be S256.")


def dpop_key(ask: Ask) -> None:
    """RFC 9449, 10: the code will be good for the holder of this key only."""
    if jkt := ask.params.get("dpop_jkt"):
        if not THUMBPRINT.fullmatch(jkt):
            raise InvalidRequestError("The dpop_jkt is no SHA-256 thumbprint.")
        ask.asked["dpop_jkt"] = jkt


def prompts(ask: Ask) -> None:
    ask.prompts = ask.params.get("prompt", "").split()
    if not set(ask.prompts) <= PROMPTS or ("none" in ask.prompts and len(ask.prompts) > 1):
        raise InvalidRequestError("The prompt is not one of none, login, consent, select_account; none stands alone.")


def max_age(ask: Ask) -> None:
    text = ask.params.get("max_age")
    if text is not None and not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise InvalidRequestError("The max_age must be a number of seconds.")
    if text is not None:
        ask.max_age = int(text)
    elif ask.client:
        ask.max_age = ask.client.default_max_age


def id_token_hint(ask: Ask) -> None:
    if ask.client and (hint := ask.params.get("id_token_hint")):
        claims = read_hint(ask.tx, ask.settings, hint, ask.client.id)
        if claims is None:
            raise InvalidRequestError("The id_token_hint was not issued here to this client.")
        ask.hint_subject = account_of(ask.tx, ask.settings, ask.client, claims)


def resources(ask: Ask) -> None:
    if ask.client and (named := asked_resources(ask.pairs, ask.client)):
        ask.asked["resources"] = named


def details(ask: Ask) -> None:
    if ask.client and (named := asked_details(ask.params, ask.client)):
        ask.asked["details"] = named


def claims(ask: Ask) -> None:
    text = ask.params.get("claims")
    if not text or ask.client is None:
        return
    asked = read_claims_request(text, ask.client, ask.scopes)
    kept = {"claims": asked.names, "beyond": asked.beyond, "acr_values": [one for one in asked.acr if one in ACR_VALUES]}
    ask.asked |= {name: value for name, value in kept.items() if value}
    if asked.essential_acr:
        ask.asked["essential_acr"] = asked.acr
        if not kept["acr_values"]:
            raise OAuth2Error(error="unmet_authentication_requirements", description="No such acr can be reached here.")
    for one in {account_by_subject(ask.tx, ask.settings, ask.client, sub) for sub in asked.subjects}:
        if ask.hint_subject not in (None, one):
            raise InvalidRequestError("The request names two persons.")
        ask.hint_subject = one


def acr_values(ask: Ask) -> None:
    """A wish, not a demand (Core, 3.1.2.1): values that nobody knows are left out; those of a `claims` request come first."""
    asked = ask.params.get("acr_values", "").split() or (ask.client.default_acr_values if ask.client else [])
    if known := [value for value in asked if value in ACR_VALUES]:
        ask.asked.setdefault("acr_values", known)


Check = Callable[[Ask], None]
FROM_BROWSERS: frozenset[Endpoint] = frozenset({"authorize", "par"})
EVERYWHERE: frozenset[Endpoint] = FROM_BROWSERS | {"device", "ciba"}

# In this order: who asks and where the answer goes come first, for all later refusals travel there.
CHECKS: tuple[tuple[Check, frozenset[Endpoint]], ...] = (
    (known_client, frozenset({"authorize"})),  # a pushed request comes from a client that has authenticated
    (signed_answers, FROM_BROWSERS),
    (request_object, FROM_BROWSERS),
    (registered_redirect_uri, FROM_BROWSERS),
    (pushed_where_required, frozenset({"authorize"})),
    (signed_where_required, FROM_BROWSERS),
    (signed_mode_where_required, FROM_BROWSERS),
    (known_response_mode, FROM_BROWSERS),
    (bounded, EVERYWHERE),
    (code_flow_only, FROM_BROWSERS),
    (allowed_for_client, FROM_BROWSERS),
    (known_scopes, EVERYWHERE),
    (openid_scope, EVERYWHERE - {"device"}),
    (pkce_s256, FROM_BROWSERS),
    (dpop_key, FROM_BROWSERS),
    (prompts, FROM_BROWSERS),
    (max_age, EVERYWHERE),
    (id_token_hint, FROM_BROWSERS),
    (claims, FROM_BROWSERS),
    (acr_values, EVERYWHERE),
    (resources, EVERYWHERE),
    (details, EVERYWHERE),
)


_BY_ENDPOINT = {name: [check for check, endpoints in CHECKS if name in endpoints] for name in get_args(Endpoint)}


def run_checks(ask: Ask, endpoint: Endpoint) -> None:
    for check in _BY_ENDPOINT[endpoint]:
        check(ask)
