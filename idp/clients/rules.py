"""What a relying party may be, and which addresses an answer may go to."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import SplitResult, urlsplit

from idp.clients.problems import BadClientAddress, TooWeakForProfile

STANDARD_SCOPES = ("openid", "profile", "email", "phone", "address", "org", "offline_access")
CODE, REFRESH, CLIENT_CREDENTIALS = "authorization_code", "refresh_token", "client_credentials"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
CIBA = "urn:openid:params:grant-type:ciba"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
GRANT_TYPES = (CODE, REFRESH, CLIENT_CREDENTIALS, DEVICE, CIBA, EXCHANGE)
SIGNED_BY = ("RS256", "ES256", "PS256")
OF_TOKENS, OF_MESSAGES = ("id_token_alg", "userinfo_alg", "introspection_alg"), ("authorization_alg", "request_object_alg")
MOST_ADDRESS = 2000
HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")  # no sign that means something in a header
SHOWN_OR_CALLED = (
    *("backchannel_logout_uri", "frontchannel_logout_uri", "client_uri", "initiate_login_uri", "logo_uri", "policy_uri"),
    *("tos_uri", "jwks_uri", "sector_identifier_uri"),
)


class AuthMethod(StrEnum):
    BASIC = "client_secret_basic"
    POST = "client_secret_post"
    PRIVATE_KEY = "private_key_jwt"
    TLS = "tls_client_auth"
    SELF_SIGNED_TLS = "self_signed_tls_client_auth"
    NONE = "none"


class Profile(StrEnum):
    """How strictly a client is held: FAPI 2.0 asks for PAR, sender-constrained tokens and ES256 or PS256; message signing
    adds signed requests, answers and introspection."""

    PLAIN = "plain"
    FAPI2 = "fapi2"
    FAPI2_SIGNED = "fapi2-message-signing"


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
    redirect_uris: tuple[str, ...] = ()
    office: str = ""
    description: str = ""
    auth_method: AuthMethod = AuthMethod.BASIC
    application_type: ApplicationType = ApplicationType.WEB
    grant_types: tuple[str, ...] = (CODE, REFRESH)
    scopes: tuple[str, ...] = STANDARD_SCOPES
    audiences: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    backchannel_logout_uri: str = ""
    frontchannel_logout_uri: str = ""
    client_uri: str = ""
    initiate_login_uri: str = ""
    logo_uri: str = ""
    policy_uri: str = ""
    tos_uri: str = ""
    contacts: tuple[str, ...] = ()
    jwks: dict[str, Any] = field(default_factory=dict)
    jwks_uri: str = ""
    request_uris: tuple[str, ...] = ()
    sector_identifier_uri: str = ""
    subject_type: str = "public"
    id_token_alg: str = "RS256"  # noqa: S105
    userinfo_alg: str = ""
    introspection_alg: str = ""
    authorization_alg: str = ""
    request_object_alg: str = ""
    assertion_alg: str = ""
    default_max_age: int | None = None
    default_acr_values: tuple[str, ...] = ()
    require_auth_time: bool = False  # kept and told; every ID token has an `auth_time` anyhow
    require_pkce: bool = True
    require_par: bool = False
    require_request_object: bool = False
    dpop_bound: bool = False
    tls_bound: bool = False
    tls_subject_dn: str = ""
    details_types: tuple[str, ...] = ()
    software_id: str = ""
    software_version: str = ""
    profile: Profile = Profile.PLAIN
    trusted: bool = False

    def check(self) -> None:
        """Raise `BadClientAddress` for the first address that cannot be taken, `TooWeakForProfile` for what FAPI forbids."""
        if self.profile != Profile.PLAIN:
            self._check_fapi()
        native = self.application_type is ApplicationType.NATIVE
        if not self.redirect_uris and CODE in self.grant_types:
            raise BadClientAddress(field="redirect_uris")
        for member in ("redirect_uris", "post_logout_redirect_uris"):
            for uri in getattr(self, member):
                if not may_redirect_to(uri, native=native):
                    raise BadClientAddress(field=member)
        for uri in self.request_uris:
            if not uri.startswith("https:") or not may_redirect_to(uri.partition("#")[0], native=False):
                raise BadClientAddress(field="request_uris")  # a fragment tells one version from the next (Core, 6.2)
        for member in SHOWN_OR_CALLED:
            if (uri := getattr(self, member)) and not may_redirect_to(uri, native=False):
                raise BadClientAddress(field=member)

    def _check_fapi(self) -> None:
        """FAPI 2.0 Security Profile, 5.3.2.1 and 5.4.1: keys or certificates, ES256 or PS256, tokens bound to their sender."""
        if self.auth_method not in (AuthMethod.PRIVATE_KEY, AuthMethod.TLS, AuthMethod.SELF_SIGNED_TLS):
            raise TooWeakForProfile(field="auth_method")
        for member in (*OF_TOKENS, *OF_MESSAGES, "assertion_alg"):
            if getattr(self, member) == "RS256":
                raise TooWeakForProfile(field=member)
        if not (self.dpop_bound or self.tls_bound):
            raise TooWeakForProfile(field="dpop_bound")


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
    if parts.scheme in ("http", "https"):
        return bool(HOST.fullmatch(parts.netloc)) and (parts.scheme == "https" or is_loopback(parts.hostname))
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


def host_of(uri: str) -> str:
    return urlsplit(uri).hostname or ""


def sector(sector_identifier_uri: str, redirect_uris: Sequence[str]) -> str:
    """Within which a person has one pairwise subject (OpenID Connect Core, 8.1)."""
    return host_of(sector_identifier_uri or next(iter(redirect_uris), ""))


def origin(uri: str) -> str:
    """The web origin of an address: `https://host[:port]`."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}"
