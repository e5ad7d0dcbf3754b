"""A client that registers itself learns nobody's pairwise subject but in a sector that is its own; and nothing else that is
given to two sectors tells that two subjects are one person."""

import re
from typing import Any

import jwt
import pytest
from httpx2 import Response
from sqlalchemy import select

from idp.clients.models import Client
from idp.clients.rules import CIBA, CODE, DEVICE, EXCHANGE, REFRESH
from idp.login.models import SignInSession
from idp.oidc.grants.exchange import ID
from idp.oidc.sid import session_of, sid_of
from tests.idp.conftest import PASSWORD, House
from tests.idp.test_logout import Receiver, listening
from tests.idp.test_registration import NEW, register
from tests.idp.walk import answer_of, as_spa, begin, follow, sign_in, tokens

PAIRWISE = NEW | {"subject_type": "pairwise"}
OTHERS = {"redirect_uris": ["https://others.test/cb"]}
SECTORS = ("https://a.test/one.json", "https://a.test/two.json", "https://b.test/one.json")
FRAME = r'<iframe src="([^"]+)"'


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


def said(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def test_no_sid_joins_the_persons_that_pairwise_subjects_keep_apart(house: House) -> None:
    browser = house.browser()
    with listening(house, Receiver()) as web, listening(house, Receiver()) as spa:
        for client_id, receiver in (("web", web), ("spa", spa)):
            front = f"https://{client_id}.test/front"
            uris = {"backchannel_logout_uri": receiver.uri, "frontchannel_logout_uri": front}
            house.change_client(client_id, subject_type="pairwise", **uris)
        got = tokens(house, browser), as_spa(house, browser)
        with house.db.read() as tx:
            session_id = tx.scalars(select(SignInSession.id)).one()
        named = [said(one["id_token"])["sid"] for one in got]
        assert named == [said(one["access_token"])["sid"] for one in got]
        assert len({*named, session_id}) == 3
        form = {"token": got[0]["access_token"]}
        told = house.machine().post("/introspect", data=form, auth=("web", house.filled.web_secret)).json()
        assert (told["active"], told["sid"]) == (True, named[0])
        page = follow(browser, browser.get("/end_session", params={"id_token_hint": got[1]["id_token"]}))
        assert 'id="signed-out"' in page.text, "it is known by its name: nobody is asked"
        assert [said(one.heard[0])["sid"] for one in (web, spa)] == named
        framed = {one.partition(".")[0]: one.rpartition("sid=")[2] for one in re.findall(FRAME, page.text)}
        assert framed == dict(zip(("https://web", "https://spa"), named, strict=True))


def test_within_a_sector_a_session_keeps_its_name_and_no_other_sector_opens_it(house: House) -> None:
    one, same, other = (Client(subject_type="pairwise", sector_identifier_uri=uri) for uri in SECTORS)
    sid = sid_of(house.settings, one, "session")
    assert (sid_of(house.settings, same, "session"), session_of(house.settings, same, sid)) == (sid, "session")
    assert [session_of(house.settings, other, name) for name in (sid, "session", "", "\u00e9", "ab")] == [""] * 5


def test_a_pairwise_hint_leads_to_its_session(house: House) -> None:
    house.change_client("web", subject_type="pairwise", grant_types=[CODE, REFRESH, EXCHANGE])
    browser, stranger = house.browser(), house.browser()
    hint = tokens(house, browser)["id_token"]
    assert "code" in answer_of(begin(browser, prompt="none", id_token_hint=hint))
    sign_in(stranger, begin(stranger), "thienbd", PASSWORD + "2")
    assert answer_of(begin(stranger, prompt="none", id_token_hint=hint))["error"] == "login_required"
    form = {"grant_type": EXCHANGE, "subject_token": hint, "subject_token_type": ID}
    answer = house.machine().post("/token", data=form, auth=("web", house.filled.web_secret))
    assert said(answer.json()["access_token"])["sid"] == said(hint)["sid"]
