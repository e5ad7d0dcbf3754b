"""A client that registers itself learns nobody's pairwise subject but in a sector that is its own."""

import pytest
from httpx2 import Response

from idp.clients.rules import CIBA, CODE, DEVICE
from tests.idp.conftest import House
from tests.idp.test_registration import NEW, register

PAIRWISE = NEW | {"subject_type": "pairwise"}
OTHERS = {"redirect_uris": ["https://others.test/cb"]}


@pytest.mark.parametrize("grant", [DEVICE, CIBA])
def test_where_no_redirect_uri_is_needed_it_proves_no_sector(house: House, grant: str) -> None:
    answer = register(house, PAIRWISE | OTHERS | {"grant_types": [CODE, grant]})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")


def test_nobody_moves_to_a_sector_with_what_was_given_before(house: House) -> None:
    def change(client: dict[str, str], body: dict[str, object]) -> Response:
        mine = {"authorization": f"Bearer {client['registration_access_token']}"}
        path = f"/register/{client['client_id']}"
        return house.machine().put(path, json=body | {"client_id": client["client_id"]}, headers=mine)

    client = register(house, PAIRWISE).json()
    assert change(client, PAIRWISE | OTHERS).status_code == 400
    client = change(client, NEW | OTHERS).json()
    assert change(client, PAIRWISE | OTHERS).status_code == 400, "nor in two steps"
    client = register(house, PAIRWISE).json()
    assert change(client, PAIRWISE | {"redirect_uris": ["https://so-tay.test/other"]}).status_code == 200
