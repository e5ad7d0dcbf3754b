"""Client metadata between the standards' names and ours: one table, read in both directions."""

import json
from dataclasses import dataclass, fields
from typing import Any, Literal
from urllib.parse import urlsplit

from authlib.oauth2.rfc7591.errors import (
    InvalidClientMetadataError,
    InvalidRedirectURIError,
    UnapprovedSoftwareStatementError,
)

from idp.clients.models import Client
from idp.clients.problems import BadClientAddress, TooWeakForProfile
from idp.clients.rules import CIBA, CODE, DEVICE, ApplicationType, AuthMethod, Metadata, host_of, origin, sector
from idp.oidc.outbound import Fetched
from shared.tokens import check_public_keys
from shared.words import nfc

MOST_SIGNS, MOST_ENTRIES, MOST_SECONDS = 2000, 20, 10**9
MOST_JWKS = 64 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class Member:
    """`published` names the member of the provider's metadata that lists what may be chosen."""

    standard: str
    ours: str
    kind: Literal["str", "list", "dict", "int", "bool"]
    published: str = ""


# RFC 7591, 8705, 9101, 9126, 9396, 9449, 9701; OpenID Connect Registration, RP-Initiated, Front- and Back-Channel Logout; JARM.
# What is not here cannot be asked for: no client makes itself trusted, or names the resource servers it is for.
MEMBERS = (
    Member("client_name", "name", "str"),
    Member("redirect_uris", "redirect_uris", "list"),
    Member("token_endpoint_auth_method", "auth_method", "str", "token_endpoint_auth_methods_supported"),
    Member("token_endpoint_auth_signing_alg", "assertion_alg", "str", "token_endpoint_auth_signing_alg_values_supported"),
    Member("application_type", "application_type", "str"),
    Member("grant_types", "grant_types", "list", "grant_types_supported"),
    Member("post_logout_redirect_uris", "post_logout_redirect_uris", "list"),
    Member("backchannel_logout_uri", "backchannel_logout_uri", "str"),
    Member("frontchannel_logout_uri", "frontchannel_logout_uri", "str"),
    Member("client_uri", "client_uri", "str"),
    Member("initiate_login_uri", "initiate_login_uri", "str"),
    Member("logo_uri", "logo_uri", "str"),
    Member("policy_uri", "policy_uri", "str"),
    Member("tos_uri", "tos_uri", "str"),
    Member("contacts", "contacts", "list"),
    Member("jwks", "jwks", "dict"),
    Member("jwks_uri", "jwks_uri", "str"),
    Member("request_uris", "request_uris", "list"),
    Member("sector_identifier_uri", "sector_identifier_uri", "str"),
    Member("subject_type", "subject_type", "str", "subject_types_supported"),
    Member("id_token_signed_response_alg", "id_token_alg", "str", "id_token_signing_alg_values_supported"),
    Member("userinfo_signed_response_alg", "userinfo_alg", "str", "userinfo_signing_alg_values_supported"),
    Member("introspection_signed_response_alg", "introspection_alg", "str", "introspection_signing_alg_values_supported"),
    Member("authorization_signed_response_alg", "authorization_alg", "str", "authorization_signing_alg_values_supported"),
    Member("request_object_signing_alg", "request_object_alg", "str", "request_object_signing_alg_values_supported"),
    Member("default_max_age", "default_max_age", "int"),
    Member("default_acr_values", "default_acr_values", "list", "acr_values_supported"),
    Member("require_auth_time", "require_auth_time", "bool"),
    Member("require_pushed_authorization_requests", "require_par", "bool"),
    Member("require_signed_request_object", "require_request_object", "bool"),
    Member("dpop_bound_access_tokens", "dpop_bound", "bool"),
    Member("tls_client_certificate_bound_access_tokens", "tls_bound", "bool", "tls_client_certificate_bound_access_tokens"),
    Member("tls_client_auth_subject_dn", "tls_subject_dn", "str"),
    Member("authorization_details_types", "details_types", "list", "authorization_details_types_supported"),
    Member("software_id", "software_id", "str"),
    Member("software_version", "software_version", "str"),
)
# A client keeps these through a change of its registration (RFC 7592, 2.2).
OURS_ALONE = {one.name for one in fields(Metadata)} - {one.ours for one in MEMBERS} - {"scopes", "require_pkce"}


def read_metadata(body: Any, provider: dict[str, Any], fetched: Fetched, before: Client | None = None) -> Metadata:
    """What a client asks to be; `before` is what it was. Unknown members are left out (RFC 7591, 2)."""
    if not isinstance(body, dict):
        raise InvalidClientMetadataError("The body must be a JSON object.")
    body = {name: value for name, value in body.items() if value is not None}
    if "software_statement" in body:
        raise UnapprovedSoftwareStatementError("No issuer of software statements is known here.")
    members = {name: getattr(before, name) for name in OURS_ALONE} if before else {}
    members |= {one.ours: _value(one, body, provider) for one in MEMBERS if one.standard in body}
    members["name"] = nfc(members.get("name", "")) or "–"
    members["scopes"] = _scopes(body, provider)
    members["auth_method"] = AuthMethod(members.get("auth_method") or AuthMethod.BASIC)
    members["application_type"] = _application_type(members.get("application_type", "web"))
    members["grant_types"] = members.get("grant_types") or (CODE,)
    # Relying parties of OpenID Connect send no PKCE unless they are public; RFC 8252 asks it of native ones.
    native, public = members["application_type"] == ApplicationType.NATIVE, members["auth_method"] == AuthMethod.NONE
    metadata = Metadata(**members, require_pkce=native or public)
    _check_addresses(metadata)
    _check_response_types(body, metadata)
    _check_keys(metadata)
    _check_sector(metadata, fetched)
    if metadata.subject_type == "pairwise":
        _check_pairwise(metadata, before)
    return metadata


def describe(client: Client, issuer: str) -> dict[str, Any]:
    """Exactly what holds; a member that is left out has its standard's default."""
    known = {one.standard: getattr(client, one.ours) for one in MEMBERS}
    for channel in ("backchannel", "frontchannel"):  # `sid` is always sent
        known[f"{channel}_logout_session_required"] = bool(known[f"{channel}_logout_uri"])
    return {
        "client_id": client.id,
        "client_id_issued_at": int(client.created_at.timestamp()),
        **{name: value for name, value in known.items() if value not in ("", [], {}, False, None)},
        **({"default_max_age": client.default_max_age} if client.default_max_age is not None else {}),
        **({"backchannel_token_delivery_mode": "poll"} if CIBA in client.grant_types else {}),
        "response_types": ["code"] if CODE in client.grant_types else [],
        "scope": " ".join(client.scopes),
        "registration_client_uri": f"{issuer}/register/{client.id}",
    }


def _value(member: Member, body: dict[str, Any], provider: dict[str, Any]) -> Any:
    name = member.standard
    value: Any = body[name]
    if type(value).__name__ != member.kind:
        raise InvalidClientMetadataError(f"The member {name} is of the wrong type.")
    entries = value if member.kind == "list" else [value]
    if len(entries) > MOST_ENTRIES:
        raise InvalidClientMetadataError(f"The member {name} holds more than {MOST_ENTRIES} entries.")
    if member.kind in ("str", "list") and not all(_is_text(one) for one in entries):
        raise InvalidClientMetadataError(f"The member {name} must hold strings of at most {MOST_SIGNS} printable signs.")
    if member.kind == "int" and not 0 <= value <= MOST_SECONDS:
        raise InvalidClientMetadataError(f"The member {name} must be a number of seconds.")
    if member.kind == "bool":
        entries = [True] * value  # what is published of it is a boolean, too
    published = provider.get(member.published, ())
    if member.published and not set(entries) <= set([published] if isinstance(published, bool) else published):
        raise InvalidClientMetadataError(f"The member {name} holds a value that is not supported here.")
    return tuple(value) if member.kind == "list" else value


def _is_text(value: Any) -> bool:
    """Nothing that a page, a header or a database could stumble over: no control signs, no halves of a pair, no new lines."""
    return isinstance(value, str) and len(value) <= MOST_SIGNS and value.isprintable()


def _scopes(body: dict[str, Any], provider: dict[str, Any]) -> tuple[str, ...]:
    if "scope" not in body:
        return tuple(provider["scopes_supported"])
    scope = body["scope"]
    if not isinstance(scope, str) or not scope.split() or not set(scope.split()) <= set(provider["scopes_supported"]):
        raise InvalidClientMetadataError("The scope holds a value that is not supported here.")
    return tuple(dict.fromkeys(scope.split()))


def _application_type(named: str) -> ApplicationType:
    try:
        return ApplicationType(named)
    except ValueError:
        raise InvalidClientMetadataError("The application_type must be web or native.") from None


def _check_addresses(metadata: Metadata) -> None:
    try:
        metadata.check()
    except BadClientAddress as problem:
        field = problem.facts["field"]
        error = InvalidRedirectURIError if field == "redirect_uris" else InvalidClientMetadataError
        raise error(f"An address in {field} cannot be taken.") from None
    except TooWeakForProfile as problem:
        raise InvalidClientMetadataError(f"The client's profile does not allow this {problem.facts['field']}.") from None
    if metadata.initiate_login_uri and urlsplit(metadata.initiate_login_uri).scheme != "https":
        raise InvalidClientMetadataError("The initiate_login_uri must be https.")
    front = metadata.frontchannel_logout_uri
    if front and origin(front) not in {origin(uri) for uri in metadata.redirect_uris}:  # Front-Channel Logout, 2
        raise InvalidClientMetadataError("The frontchannel_logout_uri must be of the origin of a redirect URI.")


def _check_response_types(body: dict[str, Any], metadata: Metadata) -> None:
    """RFC 7591, 2.1: a response type needs its grant type, and the other way round."""
    by_code = CODE in metadata.grant_types
    asked = body.get("response_types", ["code"] if by_code else [])
    if asked != (["code"] if by_code else []):
        raise InvalidClientMetadataError("The response_types must be code with the authorization code grant, else empty.")
    if body.get("backchannel_token_delivery_mode", "poll") != "poll" or body.get("backchannel_user_code_parameter"):
        raise InvalidClientMetadataError("The backchannel_token_delivery_mode must be poll, without a user code.")


def _check_keys(metadata: Metadata) -> None:
    if metadata.jwks and metadata.jwks_uri:
        raise InvalidClientMetadataError("The members jwks and jwks_uri exclude each other.")
    if metadata.jwks:
        try:
            if len(json.dumps(metadata.jwks, allow_nan=False)) > MOST_JWKS:
                raise ValueError("too large")
            check_public_keys(metadata.jwks)
        except (ValueError, RecursionError) as error:
            raise InvalidClientMetadataError(f"The jwks cannot be taken: {error}") from None
    by_key = (AuthMethod.PRIVATE_KEY, AuthMethod.SELF_SIGNED_TLS)
    if (metadata.auth_method in by_key or metadata.require_request_object) and not (metadata.jwks or metadata.jwks_uri):
        raise InvalidClientMetadataError("The client needs a jwks or a jwks_uri.")
    if metadata.auth_method is AuthMethod.TLS and not metadata.tls_subject_dn:
        raise InvalidClientMetadataError("The client needs a tls_client_auth_subject_dn.")


def _check_sector(metadata: Metadata, fetched: Fetched) -> None:
    """OpenID Connect Registration, 5: who shares a sector has said so; without one, all redirect URIs are of one host."""
    if uri := metadata.sector_identifier_uri:
        try:
            listed = json.loads(fetched.need(uri) or b"null")
        except (ValueError, RecursionError):
            listed = None
        if not isinstance(listed, list) or not set(metadata.redirect_uris) <= {one for one in listed if isinstance(one, str)}:
            raise InvalidClientMetadataError("The sector_identifier_uri does not list every redirect URI.")
    elif metadata.subject_type == "pairwise":
        hosts = {host_of(one) for one in metadata.redirect_uris}
        if len(hosts) != 1 or "" in hosts:
            raise InvalidClientMetadataError("Pairwise subjects need redirect URIs of one host, or a sector_identifier_uri.")


def _check_pairwise(metadata: Metadata, before: Client | None) -> None:
    """What proves a sector is that answers go to its addresses alone: by any other way a client could learn whom others know
    by which name."""
    if {DEVICE, CIBA} & {*metadata.grant_types}:
        raise InvalidClientMetadataError("Pairwise subjects go with redirect URIs only, not with the device grant or CIBA.")
    if before and (before.subject_type != "pairwise" or _sector(before) != _sector(metadata)):
        raise InvalidClientMetadataError("A client does not change the sector of its pairwise subjects.")


def _sector(one: Client | Metadata) -> str:
    return sector(one.sector_identifier_uri, one.redirect_uris)
