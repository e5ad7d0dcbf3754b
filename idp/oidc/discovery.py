from typing import Any

from starlette.responses import JSONResponse, Response

from idp.clients.rules import GRANT_TYPES, SIGNED_BY, STANDARD_SCOPES, AuthMethod
from idp.keys.actions import published
from idp.oidc.certificate import BY_TLS
from idp.oidc.checks import ACR_VALUES, PROMPTS, RESPONSE_MODES
from idp.oidc.claims import PERSONAL
from idp.oidc.endpoint import Call, endpoint
from idp.settings import IdpSettings
from shared import words
from shared.tokens import ALGORITHMS, PROOF_ALGORITHMS

DISPLAYS = ("page", "popup", "touch")  # one page for all: without scripts, narrow as a telephone or wide
FRESH = {"Cache-Control": "public, max-age=300"}


def metadata(settings: IdpSettings) -> dict[str, Any]:
    """Provider metadata (OpenID Connect Discovery 1.0, section 3; RFC 8414, 8705, 9101, 9126, 9207, 9449; JARM)."""
    issuer, takes_certificates = settings.issuer, bool(settings.client_certificate_header)
    off = set() if takes_certificates else set(BY_TLS)
    off |= set() if settings.client_authorities else {AuthMethod.TLS}
    methods = [str(method) for method in AuthMethod if method not in off]
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "jwks_uri": f"{issuer}/jwks",
        "introspection_endpoint": f"{issuer}/introspect",
        "revocation_endpoint": f"{issuer}/revoke",
        "registration_endpoint": f"{issuer}/register",
        "device_authorization_endpoint": f"{issuer}/device_authorization",
        "backchannel_authentication_endpoint": f"{issuer}/bc-authorize",
        "backchannel_token_delivery_modes_supported": ["poll"],
        "backchannel_authentication_request_signing_alg_values_supported": list(SIGNED_BY),
        "backchannel_user_code_parameter_supported": False,
        "end_session_endpoint": f"{issuer}/end_session",
        "pushed_authorization_request_endpoint": f"{issuer}/par",
        "require_pushed_authorization_requests": False,
        "scopes_supported": list(STANDARD_SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": list(RESPONSE_MODES),
        "grant_types_supported": list(GRANT_TYPES),
        "subject_types_supported": ["public", "pairwise"],
        "id_token_signing_alg_values_supported": list(ALGORITHMS),
        "userinfo_signing_alg_values_supported": list(ALGORITHMS),
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": list(SIGNED_BY),
        "introspection_endpoint_auth_methods_supported": [method for method in methods if method != AuthMethod.NONE],
        "introspection_endpoint_auth_signing_alg_values_supported": list(SIGNED_BY),
        "introspection_signing_alg_values_supported": list(ALGORITHMS),
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": list(SIGNED_BY),
        "tls_client_certificate_bound_access_tokens": takes_certificates,
        "dpop_signing_alg_values_supported": list(PROOF_ALGORITHMS),
        "authorization_signing_alg_values_supported": list(ALGORITHMS),
        "code_challenge_methods_supported": ["S256"],
        "acr_values_supported": list(ACR_VALUES),
        "prompt_values_supported": sorted(PROMPTS),
        "ui_locales_supported": list(words.LANGUAGES),
        "claims_supported": [
            *("iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash"),
            *sorted(PERSONAL),
        ],
        "claims_parameter_supported": True,
        "claim_types_supported": ["normal"],
        "display_values_supported": list(DISPLAYS),
        "request_parameter_supported": True,
        "request_uri_parameter_supported": bool(settings.outbound_names),
        "require_request_uri_registration": True,
        "request_object_signing_alg_values_supported": list(SIGNED_BY),
        "require_signed_request_object": False,
        "authorization_response_iss_parameter_supported": True,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "frontchannel_logout_supported": True,
        "frontchannel_logout_session_supported": True,
        "check_session_iframe": f"{issuer}/check_session",
    }


def _describe(call: Call) -> Response:
    return JSONResponse(metadata(call.settings), headers=FRESH)


def _jwks(call: Call) -> Response:
    return JSONResponse(published(call.tx, call.settings), headers=FRESH)


describe = endpoint(_describe, "GET", "HEAD", reads=True, name="discovery")
jwks = endpoint(_jwks, "GET", "HEAD", reads=True, name="jwks")
