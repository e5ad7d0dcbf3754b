"""Resource indicators (RFC 8707): which resource servers an access token is for."""

from authlib.oauth2 import OAuth2Error

from idp.clients.models import Client
from idp.oidc.living import Living
from idp.oidc.params import Pairs


class InvalidTarget(OAuth2Error):  # type: ignore[misc]
    error = "invalid_target"


def asked_resources(pairs: Pairs, client: Client, *names: str) -> list[str]:
    """The resources that a request names, each one of the client's; empty where it names none.

    `names` are the parameters that may name one: `resource`, and at a token exchange `audience`, too.
    """
    asked = list(dict.fromkeys(value for name, value in pairs if name in (names or ("resource",)) and value))
    if not set(asked) <= set(client.audiences):
        raise InvalidTarget("The client has no access to this resource.")
    return asked


def narrowed_resources(pairs: Pairs, client: Client, living: Living) -> Living:
    """For no more than the resources that a token request names (section 2.2), and that are still the client's."""
    named = asked_resources(pairs, client)
    if not named and "resources" not in living.asked:
        return living
    granted = living.asked.get("resources", client.audiences)
    named = named or [one for one in granted if one in client.audiences]
    if not set(named) <= set(granted) or (granted and not named):
        raise InvalidTarget("The grant is not for this resource.")
    return living._replace(asked=living.asked | {"resources": named})
