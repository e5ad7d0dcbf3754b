"""What a relying party may be, and which addresses an answer may go to."""

import ipaddress
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import SplitResult, urlsplit

from idp.clients.problems import BadClientAddress

STANDARD_SCOPES = ("openid", "profile", "email", "org")
GRANT_TYPES = ("authorization_code", "refresh_token")
MOST_ADDRESS = 2000


class AuthMethod(StrEnum):
    BASIC = "client_secret_basic"
    POST = "client_secret_post"
    NONE = "none"


class ApplicationType(StrEnum):
    WEB = "web"
    NATIVE = "native"


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """Client metadata (RFC 7591, section 2; OpenID Connect registration and logout), in our words where they have none.

    `office` runs the application, `audiences` are the resource servers its access tokens are for, `trusted` is first-party:
    its people are not asked for consent.
    """

    name: str
    redirect_uris: tuple[str, ...]
    office: str = ""
    description: str = ""
    auth_method: AuthMethod = AuthMethod.BASIC
    application_type: ApplicationType = ApplicationType.WEB
    grant_types: tuple[str, ...] = GRANT_TYPES
    scopes: tuple[str, ...] = STANDARD_SCOPES
    audiences: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    backchannel_logout_uri: str = ""
    client_uri: str = ""
    initiate_login_uri: str = ""
    id_token_alg: str = "RS256"  # noqa: S105
    trusted: bool = False

    def check(self) -> None:
        """Raise `BadClientAddress` for the first address that cannot be taken."""
        native = self.application_type is ApplicationType.NATIVE
        if not self.redirect_uris:
            raise BadClientAddress(field="redirect_uris")
        for field in ("redirect_uris", "post_logout_redirect_uris"):
            for uri in getattr(self, field):
                if not may_redirect_to(uri, native=native):
                    raise BadClientAddress(field=field)
        for field in ("backchannel_logout_uri", "client_uri", "initiate_login_uri"):
            if (uri := getattr(self, field)) and not may_redirect_to(uri, native=False):
                raise BadClientAddress(field=field)


def _split(uri: str) -> SplitResult | None:
    """The parts of an absolute address, or None where readers could differ on what it means."""
    if not 0 < len(uri) <= MOST_ADDRESS or not uri.isascii() or not uri.isprintable() or any(c in uri for c in ' \\"<>^`{|}'):
        return None
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return None
    return parts if parts.scheme else None


def is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return host is not None and ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def may_redirect_to(uri: str, *, native: bool) -> bool:
    """Whether an address may be registered: https, http on this machine, or a native application's own scheme (RFC 8252)."""
    parts = _split(uri)
    if not parts or "#" in uri or "@" in parts.netloc or "*" in uri:
        return False
    if parts.scheme == "https":
        return bool(parts.hostname)
    if parts.scheme == "http":
        return is_loopback(parts.hostname)
    return native and "." in parts.scheme  # a reversed domain name: never `javascript`, `data` or `file`


def redirect_matches(registered: str, sent: str, *, any_port: bool) -> bool:
    """Exact comparison of strings (RFC 9700, 2.1); with `any_port`, the port of a loopback IP may differ (RFC 8252, 7.3)."""
    if registered == sent:
        return True
    known, given = _split(registered), _split(sent)
    if not any_port or not known or not given or known.hostname not in ("127.0.0.1", "::1") or "@" in given.netloc:
        return False
    return known.scheme == "http" and _without_port(known) == _without_port(given)


def _without_port(parts: SplitResult) -> tuple[str, ...]:
    return parts.scheme, parts.hostname or "", parts.path, parts.query, parts.fragment


def origin(uri: str) -> str:
    """The web origin of an address: `https://host[:port]`."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}"
