"""What a client's profile asks of its authorization requests (FAPI 2.0 Security Profile and Message Signing), as rows of
`checks.CHECKS`. The rest of the profile stands where it acts: algorithms in `client_keys`, authentication in `client_auth`,
sender-constrained tokens in `binding`, PKCE in `checks`, refresh tokens that stay in `grants.refresh`."""

from typing import TYPE_CHECKING

from authlib.oauth2.rfc6749 import InvalidRequestError

from idp.clients.models import Client
from idp.clients.rules import Profile
from idp.oidc.client_keys import FAPI_ALGORITHMS

if TYPE_CHECKING:
    from idp.oidc.checks import Ask

JWT_MODES = ("jwt", "query.jwt", "fragment.jwt", "form_post.jwt")  # JARM, 2.3


def signed_answers(ask: "Ask") -> None:
    """Before anything can be refused: a refusal is an answer, too."""
    if ask.client and ask.client.profile == Profile.FAPI2_SIGNED:
        ask.asked["response_mode"] = "jwt"


def pushed_where_required(ask: "Ask") -> None:
    if ask.client and (ask.client.require_par or ask.client.is_fapi) and not ask.pushed:
        raise InvalidRequestError("This client must push its requests.")


def signed_where_required(ask: "Ask") -> None:
    required = ask.client and (ask.client.require_request_object or ask.client.profile == Profile.FAPI2_SIGNED)
    if required and not ask.signed:
        raise InvalidRequestError("This client must sign its requests.")


def signed_mode_where_required(ask: "Ask") -> None:
    asked_for = ask.params.get("response_mode", "jwt")
    if ask.client and ask.client.profile == Profile.FAPI2_SIGNED and asked_for not in JWT_MODES:
        raise InvalidRequestError("This client must ask for signed answers.")


def answer_algorithm(client: Client, registered: str) -> str:
    """By which an answer to the client is signed: what it has registered for it, or RS256; never that in a FAPI profile."""
    if client.is_fapi and registered not in FAPI_ALGORITHMS:
        return FAPI_ALGORITHMS[0]
    return registered or "RS256"
