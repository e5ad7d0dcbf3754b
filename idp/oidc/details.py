"""Rich authorization requests (RFC 9396): what exactly a client wants to do, judged, shown and narrowed."""

import json
from typing import Any

from authlib.oauth2 import OAuth2Error

from idp.clients.models import Client
from idp.oidc.living import Living
from idp.oidc.params import Params

MOST_DETAILS = 20
MOST_BYTES = 16 * 1024  # of one detail
MOST_MEMBERS = 30
LISTS = ("locations", "actions", "datatypes", "privileges")  # section 2.2: arrays of strings

Detail = dict[str, Any]


class InvalidDetails(OAuth2Error):  # type: ignore[misc]
    """RFC 9396, 5."""

    error = "invalid_authorization_details"


def asked_details(params: Params, client: Client) -> list[Detail]:
    """The details that a request names, each of a type that the client is registered for; empty where it names none."""
    if "authorization_details" not in params:
        return []
    try:
        details = json.loads(params["authorization_details"])
        sizes = [_bytes(detail) for detail in details] if isinstance(details, list) else []
    except (ValueError, RecursionError):
        raise InvalidDetails("The authorization_details are not JSON.") from None
    if not 0 < len(sizes) <= MOST_DETAILS or max(sizes) > MOST_BYTES:
        raise InvalidDetails(f"The authorization_details must be an array of 1 to {MOST_DETAILS} objects of bounded size.")
    for detail in details:
        _check(detail, client)
    return list(details)


def _bytes(detail: Any) -> int:
    # Refuses what cannot be told again: half of a surrogate pair; NaN and Infinity, as 1e999 is read.
    return len(json.dumps(detail, ensure_ascii=False, allow_nan=False).encode())


def _check(detail: Any, client: Client) -> None:
    if not isinstance(detail, dict) or len(detail) > MOST_MEMBERS:
        raise InvalidDetails(f"A detail must be an object of at most {MOST_MEMBERS} members.")
    if not isinstance(detail.get("type"), str) or detail["type"] not in client.details_types:
        raise InvalidDetails("The client may not ask for details of this type.")
    for name in LISTS:
        value = detail.get(name, [])
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise InvalidDetails(f"The member {name} must be an array of strings.")
    if not isinstance(detail.get("identifier", ""), str):
        raise InvalidDetails("The member identifier must be a string.")


def narrowed_details(params: Params, client: Client, living: Living) -> Living:
    """With no more than the details that a token request names (section 6.1), each within one that was granted."""
    if named := asked_details(params, client):
        granted = living.asked.get("details", [])
        if not all(any(_is_within(one, whole) for whole in granted) for one in named):
            raise InvalidDetails("The authorization_details are wider than the grant.")
        return living._replace(asked=living.asked | {"details": named})
    return living


def _is_within(detail: Detail, whole: Detail) -> bool:
    """Nothing is changed but lists of strings, which may be shorter. One without a list is not limited by it, so a list may
    be left out only where the grant had none."""
    for name in {*detail, *whole}:
        asked, given = detail.get(name), whole.get(name)
        if asked == given or (name in LISTS and given is None):
            continue
        if name not in LISTS or not asked or not set(asked) <= set(given or ()):
            return False
    return True


def rows(detail: Detail) -> list[tuple[str, str]]:
    """A detail in plain words for the consent page: (name of the member, its values), the type left out."""
    return [(name, _plain(value)) for name, value in detail.items() if name != "type"]


def _plain(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(one, str | int) for one in value):
        return ", ".join(str(one) for one in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
