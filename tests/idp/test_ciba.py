"""CIBA in poll mode: a client asks in the background, the person answers in the portal."""

import json
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from httpx2 import Response
from jose import jwt as second_opinion
from jwt.algorithms import ECAlgorithm
from sqlalchemy import select, update
from starlette.testclient import TestClient

from idp.accounts.actions import deactivate
from idp.accounts.models import Account
from idp.clients.actions import register_client
from idp.clients.rules import CIBA, REFRESH, AuthMethod
from idp.login.models import AuthorizationRequest
from idp.oidc.ciba import MOST_OF_ONE, MOST_WAITING
from shared import clock
from shared.ids import new_id
from tests.idp.conftest import ISSUER, PASSWORD, House, web_client
from tests.idp.walk import OWN_PAGE, begin, follow, read_form, send_form, sign_in, tokens


@pytest.fixture
def house(house: House) -> House:
    metadata = web_client(
        name="Kiosk hành chính", auth_method=AuthMethod.POST, redirect_uris=(), grant_types=(CIBA, REFRESH), trusted=True
    )
    with house.db.write() as tx:
        _, secret = register_client(tx, clock.now(), metadata, client_id="kiosk")
    KIOSK["client_secret"] = str(secret)
    return house


KIOSK = {"client_id": "kiosk"}
COLUMNS = AuthorizationRequest.__table__.c.keys()


def ask(house: House, **changes: str | None) -> Response:
    form: dict[str, str | None] = {"scope": "openid profile", "login_hint": "hanhnth", "binding_message": "Hồ sơ 42", **changes}
    data = KIOSK | {name: value for name, value in form.items() if value is not None}
    return house.machine().post("/bc-authorize", data=data)


def poll(house: House, asked: Response, **changes: str) -> Response:
    form = KIOSK | {"grant_type": CIBA, "auth_req_id": asked.json()["auth_req_id"]} | changes
    return house.machine().post("/token", data=form)


def at_home(house: House, username: str = "hanhnth", password: str = PASSWORD) -> tuple[TestClient, Response]:
    browser = house.browser()
    return browser, sign_in(browser, follow(browser, browser.get("/")), username, password)


def look_at(browser: TestClient, page: Response) -> Response:
    """Press the button beside the one waiting request."""
    request_id = page.text.split('id="waiting-')[-1].split('"')[0]
    fields = read_form(browser.get("/approve"))[1] | {"request": request_id}
    return follow(browser, browser.post("/approve", data=fields, headers=OWN_PAGE))


def test_a_person_finds_the_request_at_home_and_allows_it(house: House) -> None:
    asked = ask(house)
    assert (asked.json()["interval"], asked.json()["expires_in"]) == (5, 600)
    assert poll(house, asked).json()["error"] == "authorization_pending"
    browser, home = at_home(house)
    assert "Kiosk hành chính" in home.text
    page = look_at(browser, home)
    assert 'id="binding-message"' in page.text
    assert "Hồ sơ 42" in page.text
    assert 'id="answered-allowed"' in follow(browser, send_form(browser, page, decision="allow")).text
    got = poll(house, asked)
    assert got.status_code == 200, got.text
    claims = second_opinion.get_unverified_claims(got.json()["id_token"])
    assert (claims["sub"], claims["aud"]) == (house.filled.subject, "kiosk")
    assert poll(house, asked).json()["error"] == "invalid_grant"
    assert 'id="approve-none"' in browser.get("/approve").text
    acts = house.acts()
    assert "backchannel.asked" in acts
    assert "consent.allow" in acts


def test_who_declines_gives_nothing(house: House) -> None:
    asked = ask(house)
    browser, home = at_home(house)
    page = look_at(browser, home)
    assert 'id="answered-denied"' in follow(browser, send_form(browser, page, decision="deny")).text
    assert poll(house, asked).json()["error"] == "access_denied"


def test_an_id_token_names_the_person_too(house: House) -> None:
    asked = ask(house)
    browser, home = at_home(house)
    follow(browser, send_form(browser, look_at(browser, home), decision="allow"))
    hint = poll(house, asked).json()["id_token"]
    assert ask(house, login_hint=None, id_token_hint=hint).status_code == 200
    foreign = tokens(house, house.browser())["id_token"]
    assert ask(house, login_hint=None, id_token_hint=foreign).json()["error"] == "unknown_user_id"


def test_nobody_else_sees_or_answers_the_request(house: House) -> None:
    asked = ask(house)
    _, mine = at_home(house)
    request_id = mine.text.split('id="waiting-')[-1].split('"')[0]
    other, home = at_home(house, "thienbd", PASSWORD + "2")
    assert 'id="waiting"' not in home.text
    fields = read_form(other.get("/password"))[1] | {"request": request_id}
    assert other.post("/approve", data=fields, headers=OWN_PAGE).status_code == 404
    assert other.get("/authorize", params={"request": request_id}).status_code == 404
    assert poll(house, asked).json()["error"] == "authorization_pending"


def test_who_signs_in_next_at_the_same_browser_answers_nothing(house: House) -> None:
    asked = ask(house)
    browser, home = at_home(house)
    page = look_at(browser, home)
    browser.post("/sign-out", data=read_form(browser.get("/password"))[1], headers=OWN_PAGE)
    sign_in(browser, follow(browser, browser.get("/")), "thienbd", PASSWORD + "2")
    fields = read_form(browser.get("/password"))[1] | {"decision": "allow"}
    answer = follow(browser, browser.post(read_form(page)[0], data=fields, headers=OWN_PAGE))
    assert answer.status_code == 404
    assert poll(house, asked).json()["error"] == "authorization_pending"


def test_opening_a_request_allows_nothing_by_itself(house: House) -> None:
    asked = ask(house)
    browser, home = at_home(house)
    page = look_at(browser, home)
    assert 'name="decision"' in page.text
    assert poll(house, asked).json()["error"] == "authorization_pending"


def test_a_demanded_age_of_the_sign_in_is_asked_for_before_the_answer(house: House) -> None:
    house.change_client("kiosk", default_max_age=60)
    browser, _ = at_home(house)
    house.later(minutes=2)
    asked = ask(house)
    page = look_at(browser, browser.get("/approve"))
    assert 'name="username"' in page.text
    page = sign_in(browser, page)
    assert 'id="answered-allowed"' in follow(browser, send_form(browser, page, decision="allow")).text
    assert poll(house, asked).status_code == 200


def test_a_request_runs_out_when_the_client_says(house: House) -> None:
    asked = ask(house, requested_expiry="60")
    assert asked.json()["expires_in"] == 60
    assert ask(house, requested_expiry="999999").json()["expires_in"] == 600
    browser, home = at_home(house)
    page = look_at(browser, home)
    house.later(seconds=601)
    assert poll(house, asked).json()["error"] == "expired_token"
    assert 'id="approve-none"' in browser.get("/approve").text
    assert 'id="problem-request-expired"' in follow(browser, send_form(browser, page, decision="allow")).text


def test_a_closed_account_is_not_asked_and_gives_nothing(house: House) -> None:
    asked = ask(house)
    browser, home = at_home(house)
    follow(browser, send_form(browser, look_at(browser, home), decision="allow"))
    with house.db.write() as tx:
        deactivate(tx, clock.now(), tx.get_one(Account, house.filled.subject))
    assert poll(house, asked).json()["error"] == "invalid_grant"
    assert ask(house).json()["error"] == "unknown_user_id"


REFUSED: list[tuple[dict[str, str | None], str]] = [
    ({"login_hint": None}, "invalid_request"),
    ({"id_token_hint": "x"}, "invalid_request"),
    ({"login_hint": None, "login_hint_token": "x"}, "invalid_request"),
    ({"login_hint": None, "id_token_hint": "a.b.c"}, "unknown_user_id"),
    ({"login_hint": "nobody"}, "unknown_user_id"),
    ({"binding_message": "x" * 65}, "invalid_binding_message"),
    ({"binding_message": "a\nb"}, "invalid_binding_message"),
    ({"requested_expiry": "0"}, "invalid_request"),
    ({"requested_expiry": "soon"}, "invalid_request"),
    ({"scope": "profile"}, "invalid_scope"),
    ({"resource": "https://other.example.test"}, "invalid_target"),
    ({"request": "eyJhbGciOiJub25lIn0.e30."}, "invalid_request"),
    ({"client_secret": "wrong"}, "invalid_client"),
]


@pytest.mark.parametrize(("changes", "error"), REFUSED)
def test_a_request_is_refused(house: House, changes: dict[str, str | None], error: str) -> None:
    assert ask(house, **changes).json()["error"] == error
    assert house.acts()[-1] == "refused.bc-authorize"


def test_public_clients_and_those_without_the_grant_are_refused(house: House) -> None:
    house.change_client("spa", grant_types=[CIBA])
    answer = house.machine().post("/bc-authorize", data={"client_id": "spa", "scope": "openid", "login_hint": "hanhnth"})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    auth = ("web", house.filled.web_secret)
    answer = house.machine().post("/bc-authorize", data={"scope": "openid", "login_hint": "hanhnth"}, auth=auth)
    assert answer.json()["error"] == "unauthorized_client"
    assert house.machine().post("/token", data=KIOSK | {"grant_type": CIBA}).json()["error"] == "invalid_request"


def test_without_a_session_one_signs_in_first(house: House) -> None:
    ask(house)
    browser = house.browser()
    page = begin(browser)
    answer = browser.post("/approve", data=read_form(page)[1], headers=OWN_PAGE)
    assert answer.headers["location"].startswith("/authorize?request=")
    assert "Kiosk" in sign_in(browser, follow(browser, browser.get("/approve"))).text
    assert browser.post("/approve", data={"request": "x"}).status_code == 403


KEY = ec.generate_private_key(ec.SECP256R1())
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
OTHER = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def signed(pem: str = PEM, **changes: Any) -> str:
    now = int(time.time())
    said: dict[str, Any] = {
        "iss": "kiosk",
        "aud": ISSUER,
        "iat": now,
        "nbf": now,
        "exp": now + 300,
        "jti": new_id(),
        "scope": "openid",
        "login_hint": "hanhnth",
        "binding_message": "Hồ sơ 43",
        "requested_expiry": 90,
    }
    said = {name: value for name, value in (said | changes).items() if value is not None}
    return str(second_opinion.encode(said, pem, "ES256", headers={"kid": "k"}))


def with_key(house: House, **changes: Any) -> None:
    public = json.loads(ECAlgorithm.to_jwk(KEY.public_key())) | {"kid": "k", "alg": "ES256", "use": "sig"}
    house.change_client("kiosk", jwks={"keys": [public]}, request_object_alg="ES256", **changes)


def ask_signed(house: House, request: str, **beside: str) -> Response:
    return house.machine().post("/bc-authorize", data=KIOSK | {"request": request} | beside)


def test_of_a_signed_request_only_what_is_signed_counts(house: House) -> None:
    with_key(house)
    asked = ask_signed(house, signed(), login_hint="thienbd", binding_message="Chuyển khoản")
    assert asked.json()["expires_in"] == 90
    _, home = at_home(house)
    assert "Hồ sơ 43" in home.text
    assert "Chuyển khoản" not in home.text


@pytest.mark.parametrize("registered", [{"request_object_alg": "ES256"}, {"require_request_object": True}])
def test_a_client_that_signs_may_not_go_without(house: House, registered: dict[str, Any]) -> None:
    house.change_client("kiosk", **registered)
    assert ask(house).json()["error"] == "invalid_request"


@pytest.mark.parametrize(
    "changes",
    [
        *({"iss": "web"}, {"aud": "https://other.test"}, {"exp": None}, {"nbf": None}, {"iat": None}, {"jti": None}),
        *({"exp": int(time.time()) - 120}, {"nbf": int(time.time()) + 86_400}, {"exp": int(time.time()) + 86_400}),
        *({"sub": "kiosk"}, {"aud": 7}, {"pem": OTHER}, {"jti": 7}, {"login_hint": "nobody"}, {"scope": "profile"}),
    ],
)
def test_a_signed_request_that_does_not_hold_is_refused(house: House, changes: dict[str, Any]) -> None:
    with_key(house)
    answer = ask_signed(house, signed(**changes))
    assert answer.status_code == 400
    assert "backchannel.asked" not in house.acts()


def test_a_signed_request_is_taken_once(house: House) -> None:
    with_key(house)
    request = signed()
    assert ask_signed(house, request).status_code == 200
    assert ask_signed(house, request).json()["error"] == "invalid_request"


def test_metadata_tell_of_poll_mode_alone(house: House) -> None:
    metadata = house.machine().get("/.well-known/openid-configuration").json()
    assert metadata["backchannel_authentication_endpoint"] == f"{ISSUER}/bc-authorize"
    assert metadata["backchannel_token_delivery_modes_supported"] == ["poll"]
    assert "ES256" in metadata["backchannel_authentication_request_signing_alg_values_supported"]  # left out, none is taken


def test_requests_of_another_kind_do_not_hide_those_that_wait(house: House) -> None:
    claims = json.dumps({"id_token": {"sub": {"value": house.filled.subject}}})
    begin(house.browser(), claims=claims)
    with house.db.write() as tx:
        row = {column: getattr(tx.scalars(select(AuthorizationRequest)).one(), column) for column in COLUMNS}
        tx.add_all(AuthorizationRequest(**row | {"id": new_id()}) for _ in range(5 * MOST_WAITING))
    assert ask(house).is_success
    assert "Hồ sơ 42" in at_home(house)[1].text


def test_only_so_many_requests_wait_for_a_person(house: House) -> None:
    assert [ask(house).status_code for _ in range(MOST_OF_ONE)] == [200] * MOST_OF_ONE
    refused = ask(house)
    assert (refused.status_code, refused.json()["error"], house.acts()[-1]) == (403, "access_denied", "refused.bc-authorize")
    assert ask(house, login_hint="thienbd").status_code == 200  # another's are not counted
    with house.db.write() as tx:  # nor are those of other clients, until all of them are too many
        tx.execute(update(AuthorizationRequest).values(client_id="web"))
    assert ask(house).status_code == 200
    house.later(minutes=11)
    assert ask(house).status_code == 200
