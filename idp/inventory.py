"""Every route of the identity provider: who may call it, and what keeps another site from calling it in a person's name.

`dienhong routes` prints the table; tests/idp/test_inventory.py holds each line of it against the running application.
"""

from dataclasses import dataclass
from enum import StrEnum

from idp.clients.rules import AuthMethod


class Who(StrEnum):
    ANYONE = "anyone"
    ASKER = "the browser that brought the request"  # by its device cookie
    PERSON = "a person who is signed in"
    CLIENT = "a client, by the method it is registered with"
    BEARER = "the bearer of an access token"
    REGISTRAR = "the bearer of an initial access token"
    REGISTERED = "the bearer of the client's registration access token"
    MACHINE = "the same machine"


class Guard(StrEnum):
    READS = "changes nothing of a person's"
    OWN_FORM = "a form of our own page: its token, Origin and Sec-Fetch-Site"
    NO_COOKIE = "no cookie is read"
    BEGINS = "only begins: the page that follows asks"
    HINT = "an ID token of this very session, else the page asks"


@dataclass(frozen=True, slots=True)
class Route:
    """`by`: the methods of authentication that are taken of a client."""

    methods: tuple[str, ...]
    path: str
    who: Who
    guard: Guard
    by: tuple[AuthMethod, ...] = ()


ANY_CLIENT = tuple(AuthMethod)
CONFIDENTIAL = tuple(method for method in AuthMethod if method is not AuthMethod.NONE)
GET, POST, OPEN = ("GET",), ("POST",), ("GET", "HEAD")

ROUTES = (
    Route((*OPEN, "OPTIONS"), "/.well-known/openid-configuration", Who.ANYONE, Guard.NO_COOKIE),
    Route((*OPEN, "OPTIONS"), "/.well-known/oauth-authorization-server", Who.ANYONE, Guard.NO_COOKIE),
    Route((*OPEN, "OPTIONS"), "/jwks", Who.ANYONE, Guard.NO_COOKIE),
    Route(GET, "/authorize", Who.ANYONE, Guard.BEGINS),
    Route(POST, "/authorize", Who.ANYONE, Guard.BEGINS),
    Route(POST, "/par", Who.CLIENT, Guard.NO_COOKIE, ANY_CLIENT),
    Route((*POST, "OPTIONS"), "/token", Who.CLIENT, Guard.NO_COOKIE, ANY_CLIENT),
    Route(("GET", "POST", "OPTIONS"), "/userinfo", Who.BEARER, Guard.NO_COOKIE),
    Route(POST, "/introspect", Who.CLIENT, Guard.NO_COOKIE, CONFIDENTIAL),
    Route((*POST, "OPTIONS"), "/revoke", Who.CLIENT, Guard.NO_COOKIE, ANY_CLIENT),
    Route((*POST, "OPTIONS"), "/device_authorization", Who.CLIENT, Guard.NO_COOKIE, ANY_CLIENT),
    Route(POST, "/bc-authorize", Who.CLIENT, Guard.NO_COOKIE, CONFIDENTIAL),
    Route(POST, "/register", Who.REGISTRAR, Guard.NO_COOKIE),
    Route(("GET", "PUT", "DELETE"), "/register/{client_id}", Who.REGISTERED, Guard.NO_COOKIE),
    Route(GET, "/login", Who.ASKER, Guard.READS),
    Route(POST, "/login", Who.ASKER, Guard.OWN_FORM),
    Route(GET, "/login/account", Who.ASKER, Guard.READS),
    Route(POST, "/login/account", Who.ASKER, Guard.OWN_FORM),
    Route(GET, "/login/password", Who.ASKER, Guard.READS),
    Route(POST, "/login/password", Who.ASKER, Guard.OWN_FORM),
    Route(GET, "/login/code", Who.ASKER, Guard.READS),
    Route(POST, "/login/code", Who.ASKER, Guard.OWN_FORM),
    Route(GET, "/consent", Who.ASKER, Guard.READS),
    Route(POST, "/consent", Who.ASKER, Guard.OWN_FORM),
    Route(GET, "/device", Who.PERSON, Guard.READS),
    Route(POST, "/device", Who.PERSON, Guard.OWN_FORM),
    Route(GET, "/approve", Who.PERSON, Guard.READS),
    Route(POST, "/approve", Who.PERSON, Guard.OWN_FORM),
    Route(GET, "/end_session", Who.ANYONE, Guard.HINT),
    Route(POST, "/end_session", Who.ANYONE, Guard.BEGINS),
    Route(POST, "/end_session/confirm", Who.ANYONE, Guard.OWN_FORM),
    Route(GET, "/check_session", Who.ANYONE, Guard.READS),
    Route(GET, "/signed-out", Who.ANYONE, Guard.READS),
    Route(GET, "/", Who.PERSON, Guard.READS),
    Route(POST, "/sessions/end", Who.PERSON, Guard.OWN_FORM),
    Route(POST, "/apps/end", Who.PERSON, Guard.OWN_FORM),
    Route(GET, "/password", Who.PERSON, Guard.READS),
    Route(POST, "/password", Who.PERSON, Guard.OWN_FORM),
    Route(GET, "/second-factor", Who.PERSON, Guard.READS),
    Route(POST, "/second-factor/begin", Who.PERSON, Guard.OWN_FORM),
    Route(POST, "/second-factor/confirm", Who.PERSON, Guard.OWN_FORM),
    Route(POST, "/second-factor/codes", Who.PERSON, Guard.OWN_FORM),
    Route(POST, "/second-factor/remove", Who.PERSON, Guard.OWN_FORM),
    Route(POST, "/sign-out", Who.PERSON, Guard.OWN_FORM),
    Route(OPEN, "/api/openapi.json", Who.ANYONE, Guard.NO_COOKIE),
    Route(GET, "/healthz", Who.ANYONE, Guard.NO_COOKIE),
    Route(GET, "/readyz", Who.ANYONE, Guard.NO_COOKIE),
    Route(GET, "/metrics", Who.MACHINE, Guard.NO_COOKIE),
    Route(OPEN, "/static", Who.ANYONE, Guard.NO_COOKIE),
    Route(OPEN, "/static/fonts", Who.ANYONE, Guard.NO_COOKIE),
)
