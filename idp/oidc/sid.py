"""The `sid` by which a client knows a session. In each sector of pairwise subjects it is another one: the session's own would
tell such clients that their persons are one (OpenID Connect Back-Channel Logout 1.0, 2.1; Core, 8.1)."""

from functools import cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from idp.clients.models import Client
from idp.clients.rules import sector
from idp.keys.sealing import derive
from idp.settings import IdpSettings


def sid_of(settings: IdpSettings, client: Client, session_id: str) -> str:
    """The same for the same session and sector, at any time and in every process."""
    if client.subject_type != "pairwise":
        return session_id
    return _cipher(settings.secret.get_secret_value()).encrypt(session_id.encode(), _sector(client)).hex()


def session_of(settings: IdpSettings, client: Client, sid: str) -> str:
    """The id of the session that this client knows by a `sid`; empty where it was not given to this client's sector."""
    if client.subject_type != "pairwise":
        return sid
    try:
        return _cipher(settings.secret.get_secret_value()).decrypt(bytes.fromhex(sid), _sector(client)).decode()
    except (InvalidTag, ValueError):
        return ""


def _sector(client: Client) -> list[bytes]:
    return [sector(client.sector_identifier_uri, client.redirect_uris).encode()]


@cache
def _cipher(secret: str) -> AESSIV:
    return AESSIV(derive(secret, "session-names"))
