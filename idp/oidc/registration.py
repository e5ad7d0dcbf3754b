"""Dynamic client registration (RFC 7591) with an initial access token; reading and deleting it (RFC 7592)."""

from datetime import datetime
from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc7591 import ClientMetadataClaims
from authlib.oauth2.rfc7591.claims import InvalidClaimError
from authlib.oauth2.rfc7591.errors import InvalidClientMetadataError, InvalidRedirectURIError
from authlib.oidc.registration import ClientMetadataClaims as OpenIDClientMetadataClaims
from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from idp.clients.actions import make_registration_token, register_client, remove_client
from idp.clients.models import Client, InitialAccessToken
from idp.clients.problems import BadClientAddress
from idp.clients.rules import ApplicationType, AuthMethod, Metadata
from idp.oidc.answers import issued, refusal
from idp.oidc.discovery import metadata as provider_metadata
from idp.oidc.params import Json
from shared.clock import Now
from shared.db import Read, Tx
from shared.ids import digest, same
from shared.words import nfc

MOST_ADDRESSES = 20
router = APIRouter(include_in_schema=False)


class InvalidRegistrationToken(OAuth2Error):  # type: ignore[misc]
    error = "invalid_token"
    status_code = 401

    def get_headers(self) -> list[tuple[str, str]]:
        return [("WWW-Authenticate", 'Bearer error="invalid_token"')]


@router.post("/register")
def register(request: Request, body: Json, tx: Tx, now: Now) -> Response:
    try:
        _check_initial_token(tx, now, request)
        asked = _checked(body, provider_metadata(request.app.state.settings.issuer))
        client, secret = register_client(tx, now, asked, actor="registration")
    except BadClientAddress as problem:
        field = problem.facts["field"]
        error = InvalidRedirectURIError if field == "redirect_uris" else InvalidClientMetadataError
        return refusal(error(f"An address in {field} cannot be taken."))
    except OAuth2Error as error:
        return refusal(error)
    token = make_registration_token(client)
    answer = _described(client, request.app.state.settings.issuer) | {"registration_access_token": token}
    if secret:
        answer |= {"client_secret": secret, "client_secret_expires_at": 0}
    return issued(answer, 201)


@router.get("/register/{client_id}")
def read_registration(request: Request, client_id: str, tx: Read) -> Response:
    try:
        return issued(_described(_own(tx, request, client_id), request.app.state.settings.issuer))
    except OAuth2Error as error:
        return refusal(error)


@router.delete("/register/{client_id}")
def delete_registration(request: Request, client_id: str, tx: Tx, now: Now) -> Response:
    try:
        remove_client(tx, now, _own(tx, request, client_id), actor=client_id)
    except OAuth2Error as error:
        return refusal(error)
    return Response(status_code=204)


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _check_initial_token(tx: Session, now: datetime, request: Request) -> None:
    leave = tx.get(InitialAccessToken, digest(_bearer(request)))
    if leave is None or now >= leave.expires_at:
        raise InvalidRegistrationToken()


def _own(tx: Session, request: Request, client_id: str) -> Client:
    client = tx.get(Client, client_id)
    known = client.registration_token_digest if client else None
    if client is None or known is None or not same(digest(_bearer(request)), known):
        raise InvalidRegistrationToken()
    return client


def _checked(body: Any, provider: dict[str, Any]) -> Metadata:
    """Our metadata from the client's. Authlib compares them with what discovery publishes, so the two cannot drift apart."""
    if not isinstance(body, dict):
        raise InvalidClientMetadataError("The body must be a JSON object.")
    # Redirect URIs are judged by our own rules: Authlib refuses a native application's own scheme (RFC 8252, 7.1).
    known = {name: value for name, value in body.items() if name != "redirect_uris"}
    try:
        for claims_class in (ClientMetadataClaims, OpenIDClientMetadataClaims):
            claims = claims_class(known, {}, claims_class.get_claims_options(provider))
            claims.validate()
            known = dict(claims)
    except (InvalidClaimError, ValueError, TypeError, AttributeError):
        raise InvalidClientMetadataError("The metadata holds a value that is not supported here.") from None
    name = _text(known, "client_name")
    return Metadata(
        name=nfc(name) or "–",
        redirect_uris=_strings(body, "redirect_uris"),
        auth_method=AuthMethod(_text(known, "token_endpoint_auth_method")),
        application_type=ApplicationType(_text(known, "application_type")),
        grant_types=_strings(known, "grant_types") or ("authorization_code",),
        scopes=tuple(_text(known, "scope").split()) or tuple(provider["scopes_supported"]),
        post_logout_redirect_uris=_strings(known, "post_logout_redirect_uris"),
        backchannel_logout_uri=_text(known, "backchannel_logout_uri"),
        client_uri=_text(known, "client_uri"),
        initiate_login_uri=_text(known, "initiate_login_uri"),
        id_token_alg=_text(known, "id_token_signed_response_alg"),
        # OpenID Connect's own relying parties send none; checks.py still demands it of public ones.
        require_pkce=known.get("application_type") == ApplicationType.NATIVE or known["token_endpoint_auth_method"] == "none",
    )


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name, "")
    if not isinstance(value, str) or len(value) > 2000:
        raise InvalidClientMetadataError(f"The member {name} must be a string of at most 2000 signs.")
    return value


def _strings(body: dict[str, Any], name: str) -> tuple[str, ...]:
    value = body.get(name, [])
    if not isinstance(value, list) or len(value) > MOST_ADDRESSES or not all(isinstance(one, str) for one in value):
        raise InvalidClientMetadataError(f"The member {name} must be a list of at most {MOST_ADDRESSES} strings.")
    return tuple(value)


def _described(client: Client, issuer: str) -> dict[str, Any]:
    members = {
        "client_id": client.id,
        "client_id_issued_at": int(client.created_at.timestamp()),
        "client_name": client.name,
        "redirect_uris": client.redirect_uris,
        "post_logout_redirect_uris": client.post_logout_redirect_uris,
        "backchannel_logout_uri": client.backchannel_logout_uri,
        "backchannel_logout_session_required": bool(client.backchannel_logout_uri),
        "client_uri": client.client_uri,
        "initiate_login_uri": client.initiate_login_uri,
        "application_type": client.application_type,
        "token_endpoint_auth_method": client.auth_method,
        "grant_types": client.grant_types,
        "response_types": ["code"],
        "scope": " ".join(client.scopes),
        "id_token_signed_response_alg": client.id_token_alg,
        "registration_client_uri": f"{issuer}/register/{client.id}",
    }
    return {name: value for name, value in members.items() if value not in ("", [], False)}
