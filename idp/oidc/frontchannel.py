"""Telling applications through the browser that a session has ended (OpenID Connect Front-Channel Logout 1.0).

Nobody hears whether it worked, so the page says that an application was told, never that it is signed out.
"""

import re
from collections.abc import Iterable
from urllib.parse import urlencode

from idp.clients.models import Client
from idp.clients.rules import origin
from idp.oidc.sid import sid_of
from idp.settings import IdpSettings

# What may stand in a Content-Security-Policy: no `;` or `,`, which would begin another rule there.
ORIGIN = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+")


def frames(settings: IdpSettings, clients: Iterable[Client], session_id: str) -> list[str]:
    """An address for each application that wants to be told, with `iss` and `sid` (section 3)."""
    known = [(client.frontchannel_logout_uri, sid_of(settings, client, session_id)) for client in clients]
    about = [(uri, urlencode({"iss": settings.issuer, "sid": sid})) for uri, sid in known if ORIGIN.fullmatch(origin(uri))]
    return [f"{uri}{'&' if '?' in uri else '?'}{said}" for uri, said in about]


def policy(addresses: Iterable[str]) -> str:
    """The Content-Security-Policy of a page that frames these, and nothing else."""
    sources = " ".join(sorted({origin(one) for one in addresses})) or "'none'"
    return f"default-src 'self'; frame-src {sources}; frame-ancestors 'none'; base-uri 'none'"
