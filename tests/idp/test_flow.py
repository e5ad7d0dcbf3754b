"""The stories of sign-in, as a browser and an application live them."""

from typing import Any

import jwt
import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oidc.discovery import OpenIDProviderMetadata
from jose import jwt as jose
from sqlalchemy import select

from idp.keys.actions import all_keys
from idp.login.models import SignInSession
from idp.oidc.claims import create_half_hash
from shared import clock
from shared.tokens import verify
from tests.idp.conftest import API, APP, ISSUER, PASSWORD, House
from tests.idp.walk import (
    OWN_PAGE,
    answer_of,
    as_spa,
    ask,
    begin,
    exchange,
    follow,
    read_form,
    send_form,
    sign_in,
    tokens,
    who,
)

WEB = ("client_secret_basic", "RS256", "web")


def test_discovery_describes_what_there_is(house: House) -> None:
    machine = house.machine()
    found = machine.get("/.well-known/openid-configuration").json()
    assert found == machine.get("/.well-known/oauth-authorization-server").json()
    OpenIDProviderMetadata(found).validate()
    AuthorizationServerMetadata(found).validate()
    assert found["issuer"] == ISSUER
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert "none" not in found["id_token_signing_alg_values_supported"]
    for name in ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "end_session_endpoint", "jwks_uri"):
        path = found[name].removeprefix(ISSUER)
        assert machine.get(path).status_code != 404


def test_only_public_halves_are_published_and_private_ones_are_sealed(house: House) -> None:
    keys = house.machine().get("/jwks").json()["keys"]
    assert {(key["alg"], key["use"]) for key in keys} == {("RS256", "sig"), ("ES256", "sig"), ("PS256", "sig")}
    assert all(not {"d", "p", "q"} & key.keys() and key["kid"] for key in keys)
    with house.db.read() as tx:
        stored = tx.connection().exec_driver_sql("SELECT sealed FROM signing_key").scalars().all()
    assert all("{" not in one for one in stored)


@pytest.mark.parametrize("as_client", [tokens, as_spa])
def test_tokens_hold_for_three_independent_readers(house: House, as_client: Any) -> None:
    got = as_client(house, house.browser())
    keys = house.machine().get("/jwks").json()
    for token, audience, typ in ((got["access_token"], API, "at+jwt"), (got["id_token"], None, "JWT")):
        header = jwt.get_unverified_header(token)
        key = next(key for key in keys["keys"] if key["kid"] == header["kid"])
        assert (header["typ"], header["alg"]) == (typ, key["alg"])
        audience = audience or jwt.decode(token, options={"verify_signature": False})["aud"]
        ours = jwt.decode(token, jwt.PyJWK(key), algorithms=[key["alg"]], audience=audience, issuer=ISSUER)
        theirs = jose.decode(
            token, key, algorithms=[key["alg"]], audience=audience, issuer=ISSUER, access_token=got["access_token"]
        )
        with house.db.read() as tx:
            known = all_keys(tx, house.settings)
        assert ours == theirs == verify(token, known, clock.now(), issuer=ISSUER, audience=audience, typ=typ.lower())


def test_claims_say_who_signed_in_how_and_where(house: House) -> None:
    got = tokens(house, house.browser())
    access = jwt.decode(got["access_token"], options={"verify_signature": False})
    about = jwt.decode(got["id_token"], options={"verify_signature": False})
    assert {"iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "sid", "acr", "amr", "auth_time"} <= access.keys()
    assert access["aud"] == [API, ISSUER]
    assert access["exp"] - access["iat"] == got["expires_in"] == 600
    assert (access["name"], access["preferred_username"]) == ("Nguyễn Thị Hồng Hạnh", "hanhnth")
    assert access["acr"] == about["acr"] == "urn:dienhong:acr:password"
    assert access["amr"] == about["amr"] == ["pwd"]
    assert (about["aud"], about["nonce"], about["sub"]) == ("web", "n-1", house.filled.subject)
    assert about["sid"] == access["sid"]
    assert about["at_hash"] == create_half_hash(got["access_token"], "RS256").decode()


def test_a_person_who_is_signed_in_is_not_asked_again(house: House) -> None:
    browser = house.browser()
    tokens(house, browser)
    for changes in ({}, {"prompt": "none"}, {"max_age": "3600"}):
        answer = answer_of(begin(browser, **changes))
        assert exchange(house, answer["code"]).status_code == 200
        assert answer["iss"] == ISSUER


@pytest.mark.parametrize("changes", [{"prompt": "login"}, {"max_age": "30"}, {"max_age": "0"}])
def test_a_fresh_sign_in_is_asked_for_and_told(house: House, changes: dict[str, str]) -> None:
    browser = house.browser()
    before = jwt.decode(tokens(house, browser)["id_token"], options={"verify_signature": False})
    house.later(minutes=1)
    page = begin(browser, **changes)
    assert 'id="username"' in page.text
    code = answer_of(sign_in(browser, page))["code"]
    after = jwt.decode(exchange(house, code).json()["id_token"], options={"verify_signature": False})
    assert after["auth_time"] >= before["auth_time"] + 60
    assert after["sid"] == before["sid"]


def test_an_id_token_hint_must_be_of_who_is_signed_in(house: House) -> None:
    browser = house.browser()
    hint = tokens(house, browser)["id_token"]
    assert "code" in answer_of(begin(browser, prompt="none", id_token_hint=hint))
    another = house.browser()
    sign_in(another, begin(another), "thienbd", "mot-cau-ngan-de-nho2")
    assert answer_of(begin(another, prompt="none", id_token_hint=hint))["error"] == "login_required"
    access = tokens(house, browser)["access_token"]
    assert answer_of(begin(browser, id_token_hint=access))["error"] == "invalid_request"


def test_an_expired_id_token_is_still_a_good_hint(house: House) -> None:
    browser = house.browser()
    hint = tokens(house, browser)["id_token"]
    house.later(hours=2)
    assert "code" in answer_of(begin(browser, prompt="none", id_token_hint=hint))


def test_a_login_hint_fills_in_the_user_name(house: House) -> None:
    assert 'value="hanhnth"' in begin(house.browser(), login_hint="hanhnth").text


def test_the_application_chooses_the_language_and_a_link_changes_it(house: House) -> None:
    browser = house.browser()
    page = begin(browser, ui_locales="en")
    assert "Enter your user name" in page.text
    browser.get(f"{page.request.url.path}?{page.request.url.query.decode()}&lang=vi")
    assert "Nhập tên đăng nhập" in begin(browser).text


def test_an_authorization_request_may_be_posted(house: House) -> None:
    browser = house.browser()
    answer = browser.post("/authorize", data=ask(), headers={"sec-fetch-site": "cross-site", "origin": APP})
    assert answer.status_code == 303
    assert "code" in answer_of(sign_in(browser, follow(browser, answer)))


def test_consent_is_asked_once_and_can_be_refused(house: House) -> None:
    browser = house.browser()
    other = {"client_id": "other", "redirect_uri": "https://o.test/cb"}
    page = sign_in(browser, begin(browser, **other))
    assert 'id="consent-allow"' in page.text
    assert answer_of(begin(browser, prompt="none", **other))["error"] == "consent_required"
    assert answer_of(follow(browser, send_form(browser, page, decision="deny")))["error"] == "access_denied"
    page = begin(browser, **other)
    assert "code" in answer_of(follow(browser, send_form(browser, page, decision="allow")))
    assert "code" in answer_of(begin(browser, prompt="none", **other))
    assert 'id="consent-allow"' in begin(browser, **(other | {"scope": "openid org"})).text
    assert {"consent.deny", "consent.allow"} <= set(house.acts())


def test_nobody_goes_on_with_what_another_person_has_allowed(house: House) -> None:
    browser = house.browser()
    consent = sign_in(browser, begin(browser, client_id="other", redirect_uri="https://o.test/cb"))
    allowed = send_form(browser, consent, decision="allow")
    sign_in(browser, begin(browser, prompt="login"), "thienbd", PASSWORD + "2")
    assert send_form(browser, consent, decision="allow").status_code == 403  # the form is the other's
    mine = read_form(browser.get("/password"))[1]["form_token"]
    browser.post(read_form(consent)[0], data={"form_token": mine, "decision": "allow"}, headers=OWN_PAGE)
    assert answer_of(follow(browser, allowed))["error"] == "login_required"


def test_a_pushed_request_is_answered_once(house: House) -> None:
    secret = house.filled.web_secret
    pushed = house.machine().post("/par", data=ask(), auth=("web", secret))
    assert pushed.status_code == 201
    browser = house.browser()
    short = {"client_id": "web", "request_uri": pushed.json()["request_uri"]}
    page = follow(browser, browser.get("/authorize", params=short))
    assert "code" in answer_of(sign_in(browser, page))
    assert browser.get("/authorize", params=short).status_code == 400
    assert house.machine().post("/par", data=ask(scope="profile"), auth=("web", secret)).json()["error"] == "invalid_scope"
    assert house.machine().post("/par", data=ask(), auth=("web", "wrong")).status_code == 401


def test_a_stored_request_belongs_to_one_browser_and_ends(house: House) -> None:
    browser, thief = house.browser(), house.browser()
    first = browser.get("/authorize", params=ask())
    page = follow(browser, first)
    begin(thief)
    stolen = thief.get(first.headers["location"])
    assert (stolen.status_code, 'id="problem-request-unknown"' in stolen.text) == (404, True)
    bare = house.browser()
    assert 'id="problem-cookies-needed"' in bare.get(first.headers["location"].replace("authorize", "login")).text
    done = sign_in(browser, page)
    assert "code" in answer_of(done)
    again = browser.get(first.headers["location"])
    assert 'id="begin-again"' in again.text
    assert f'href="{APP}"' in again.text
    late = browser.get("/authorize", params=ask(prompt="login"))
    house.later(minutes=31)
    assert 'id="problem-request-expired"' in browser.get(late.headers["location"]).text


def test_userinfo_by_get_by_post_and_by_form(house: House) -> None:
    access = tokens(house, house.browser(), scope="openid profile email org")["access_token"]
    machine, bearer = house.machine(), {"authorization": f"Bearer {access}"}
    about = machine.get("/userinfo", headers=bearer)
    assert about.json().pop("updated_at") > 0
    assert {name: value for name, value in about.json().items() if name != "updated_at"} == {
        "sub": house.filled.subject,
        "name": "Nguyễn Thị Hồng Hạnh",
        "family_name": "Nguyễn",
        "middle_name": "Thị Hồng",
        "given_name": "Hạnh",
        "locale": "vi-VN",
        "zoneinfo": "Asia/Ho_Chi_Minh",
        "email_verified": True,
        "preferred_username": "hanhnth",
        "email": "hanhnth@example.test",
        "honorific": "Bà",
        "post": "Phó Trưởng phòng",
        "unit": {"code": "VP-HDND", "name": "Văn phòng HĐND tỉnh"},
    }
    assert about.headers["cache-control"] == "no-store"
    assert machine.post("/userinfo", headers=bearer).json() == about.json()
    assert machine.post("/userinfo", data={"access_token": access}).json() == about.json()
    assert set(who(house, tokens(house, house.browser(), scope="openid")["access_token"]).json()) == {"sub"}


def test_userinfo_takes_nothing_but_a_living_access_token(house: House) -> None:
    browser = house.browser()
    got = tokens(house, browser)
    machine = house.machine()
    assert machine.get("/userinfo").headers["www-authenticate"] == "Bearer"
    for token in (got["id_token"], "x", got["access_token"][:-4] + "AAAA", "a" * 9000, got["refresh_token"]):
        answer = who(house, token)
        assert (answer.status_code, answer.json()) == (401, {"error": "invalid_token"})
    twice = machine.post(
        "/userinfo", data={"access_token": got["access_token"]}, headers={"authorization": f"Bearer {got['access_token']}"}
    )
    assert (twice.status_code, twice.json()["error"]) == (400, "invalid_request")
    house.later(minutes=12)
    assert who(house, got["access_token"]).status_code == 401


def test_a_session_goes_idle_and_ends_after_its_longest_span(house: House) -> None:
    browser = house.browser()
    tokens(house, browser)
    for hours in (7.9, 7.9):
        house.later(hours=hours)
        assert "code" in answer_of(begin(browser, prompt="none"))
    house.later(hours=12.1)
    assert answer_of(begin(browser, prompt="none"))["error"] == "login_required"
    fresh = house.browser()
    house.app.dependency_overrides.clear()
    tokens(house, fresh)
    house.later(hours=8.1)
    assert answer_of(begin(fresh, prompt="none"))["error"] == "login_required"
    with house.db.read() as tx:
        assert tx.scalars(select(SignInSession).where(SignInSession.ended_at.is_not(None))).all() == []
