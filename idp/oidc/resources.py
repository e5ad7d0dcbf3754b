"""Resource indicators (RFC 8707): which resource servers an access token is for."""

from authlib.oauth2 import OAuth2Error

from idp.clients.models import Client
from idp.oidc.params import Pairs


class InvalidTarget(OAuth2Error):  # type: ignore[misc]
    error = "invalid_target"


def asked_resources(pairs: Pairs, client: Client) -> list[str]:
    """The resources that a request names, each one of the client's; empty where it names none."""
    asked = list(dict.fromkeys(value for name, value in pairs if name == "resource" and value))
    if not set(asked) <= set(client.audiences):
        raise InvalidTarget("The client has no access to this resource.")
    return asked
