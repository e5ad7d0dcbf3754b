"""Attacks on codes, PKCE and tokens: C02 to C15."""

import json
from typing import Any

import jwt
import pytest
from httpx2 import Response

from idp.accounts.actions import create_account, deactivate
from idp.accounts.models import Account
from idp.clients.rules import CIBA, CLIENT_CREDENTIALS, CODE, DEVICE, EXCHANGE, REFRESH
from shared import clock
from shared.ids import new_id
from tests.idp.attacks.refusals import check_error, check_page, new_client, one_refusal
from tests.idp.conftest import API, APP, ISSUER, PASSWORD, House
from tests.idp.signed import CB
from tests.idp.walk import (
    OWN_PAGE,
    VERIFIER,
    answer_of,
    as_spa,
    ask,
    begin,
    code_for,
    exchange,
    follow,
    read_form,
    renew,
    send_form,
    sign_in,
    tokens,
    who,
)

EVERY_GRANT = (CODE, REFRESH, DEVICE, CIBA, EXCHANGE, CLIENT_CREDENTIALS)
TYPE = "urn:ietf:params:oauth:token-type:"


def post(house: House, path: str, auth: tuple[str, str] | None = None, **form: str) -> Response:
    return house.machine().post(path, data=form, auth=auth or ("web", house.filled.web_secret))


def check_grant_refused(answer: Response) -> None:
    check_error(answer, 400, "invalid_grant")


def test_c02_a_code_of_another_client_is_burnt(house: House, person: Any) -> None:
    other, code = new_client(house), code_for(house, person)
    for auth in (other, ("web", house.filled.web_secret)):  # the thief, then the one robbed
        form = {"grant_type": CODE, "code": code, "redirect_uri": f"{APP}/cb", "code_verifier": VERIFIER}
        with one_refusal(house, "refused.token"):
            check_grant_refused(post(house, "/token", auth, **form))


def test_c02_an_edited_code_is_no_code(house: House, person: Any) -> None:
    code = code_for(house, person)
    for edited in (code[:-1], code + "A", code.swapcase(), code[::-1], f" {code}", f"{code}\n", code.replace(code[0], "é")):
        with one_refusal(house, "refused.token"):
            check_grant_refused(exchange(house, edited))
    assert exchange(house, code).status_code == 200


def secrets_of_each_kind(house: House, person: Any, auth: tuple[str, str]) -> dict[str, str]:
    """One thing of each kind that is used once, as its rightful holder has it."""
    got = {"device_code": post(house, "/device_authorization", auth, scope="openid").json()["device_code"]}
    got["auth_req_id"] = post(house, "/bc-authorize", auth, scope="openid", login_hint="hanhnth").json()["auth_req_id"]
    pushed = {name: value for name, value in ask(client_id=auth[0]).items() if name != "client_id"}
    got["request_uri"] = post(house, "/par", auth, **pushed).json()["request_uri"].rpartition(":")[2]
    form = {"grant_type": CODE, "redirect_uri": f"{APP}/cb", "code_verifier": VERIFIER}
    first = post(house, "/token", auth, code=code_for(house, person, client_id=auth[0]), **form).json()
    got |= {"refresh_token": first["refresh_token"], "access_token": first["access_token"], "id_token": first["id_token"]}
    got["user_code"] = post(house, "/device_authorization", auth, scope="openid").json()["user_code"]
    got["code"] = code_for(house, person, client_id=auth[0])
    stored = follow(person, person.get("/authorize", params=ask(client_id=auth[0], prompt="login")))
    return got | {"request": stored.request.url.params["request"], "initial": house.filled.initial_token}


def test_c03_nothing_passes_for_another_kind(house: House, person: Any) -> None:
    auth = new_client(house, grant_types=EVERY_GRANT)
    members = {"code": CODE, "refresh_token": REFRESH, "device_code": DEVICE, "auth_req_id": CIBA}
    for kind, secret in secrets_of_each_kind(house, person, auth).items():
        for member, grant_type in members.items():
            if member != kind:
                form = {"grant_type": grant_type, member: secret, "redirect_uri": f"{APP}/cb", "code_verifier": VERIFIER}
                with one_refusal(house, "refused.token"):
                    check_grant_refused(post(house, "/token", auth, **form))
        if kind != "request_uri":
            sent = {"client_id": auth[0], "request_uri": f"urn:ietf:params:oauth:request_uri:{secret}"}
            check_page(person.get("/authorize", params=sent))
        if kind != "access_token":
            assert who(house, secret).status_code == 401, kind
        if kind not in ("access_token", "refresh_token"):
            assert post(house, "/introspect", auth, token=secret).json() == {"active": False}, kind
        if kind != "initial":
            sent = {"authorization": f"Bearer {secret}"}
            check_error(house.machine().post("/register", json={"redirect_uris": [CB]}, headers=sent), 401, "invalid_token")


WRONG_VERIFIERS = [None, "", "v" * 42, "v" * 129, "w" * 43, "v" * 42 + "\n", "v" * 42 + "é", "v" * 42 + " ", "V" * 43]


@pytest.mark.parametrize("verifier", WRONG_VERIFIERS)
def test_c04_c06_a_code_needs_its_very_verifier(house: House, person: Any, verifier: str | None) -> None:
    code = code_for(house, person)
    with one_refusal(house, "refused.token"):
        check_grant_refused(exchange(house, code, code_verifier=verifier))
    check_grant_refused(exchange(house, code))


def test_c05_a_verifier_without_its_challenge_tells_of_a_cut(house: House, person: Any) -> None:
    auth = new_client(house, require_pkce=False)
    code = code_for(house, person, client_id=auth[0], code_challenge=None, code_challenge_method=None)
    form = {"grant_type": CODE, "code": code, "redirect_uri": f"{APP}/cb"}
    with one_refusal(house, "refused.token"):
        check_grant_refused(post(house, "/token", auth, code_verifier=VERIFIER, **form))


PKCE = [
    {"code_challenge_method": "plain"},
    {"code_challenge_method": None},
    {"code_challenge_method": "s256"},
    {"code_challenge_method": "S512"},
    {"code_challenge": None},
    {"code_challenge": None, "code_challenge_method": None},
    {"code_challenge": "c" * 42},
    {"code_challenge": "c" * 44},
    {"code_challenge": "c" * 42 + "="},
    {"code_challenge": "c" * 42 + "é"},
]


@pytest.mark.parametrize("changes", PKCE, ids=str)
@pytest.mark.parametrize("way", ["authorize", "par"])
def test_c06_pkce_is_by_s256_only(house: House, person: Any, way: str, changes: dict[str, str | None]) -> None:
    params = ask(**changes)
    with one_refusal(house, f"refused.{way}"):
        if way == "par":
            check_error(
                post(house, "/par", **{name: value for name, value in params.items() if name != "client_id"}),
                400,
                "invalid_request",
            )
        else:
            assert answer_of(person.get("/authorize", params=params))["error"] == "invalid_request"


@pytest.mark.parametrize("uri", [None, "", f"{APP}/cb/", f"{APP}/CB", f"{APP}/bye", "https://evil.test/cb", f"{APP}/cb?x"])
def test_c07_a_code_is_bound_to_its_address(house: House, person: Any, uri: str | None) -> None:
    with one_refusal(house, "refused.token"):
        check_grant_refused(exchange(house, code_for(house, person), redirect_uri=uri))


def test_c08_a_code_lives_for_a_minute(house: House, person: Any) -> None:
    codes = [code_for(house, person) for _ in range(2)]
    house.later(seconds=58)
    assert exchange(house, codes[0]).status_code == 200
    house.later(seconds=60)
    with one_refusal(house, "refused.token"):
        check_grant_refused(exchange(house, codes[1]))


def test_c09_a_refresh_token_that_comes_back_later_ends_its_grant(house: House, person: Any) -> None:
    first = tokens(house, person)
    second = renew(house, first["refresh_token"]).json()
    house.later(seconds=11)
    with one_refusal(house, "refused.token"):
        check_grant_refused(renew(house, first["refresh_token"]))
    assert {"refresh-token.reused", "grant.revoked"} <= set(house.acts()[-3:])
    check_grant_refused(renew(house, second["refresh_token"]))
    assert [who(house, one["access_token"]).status_code for one in (first, second)] == [401, 401]


@pytest.mark.parametrize("end", ["password", "elsewhere", "signed-out", "closed"])
def test_c10_what_ends_a_person_or_a_session_ends_its_tokens(house: House, end: str) -> None:
    name, browser, elsewhere = f"nguoi{new_id()[:8]}", house.browser(), house.browser()
    with house.db.write() as tx:
        account = create_account(tx, clock.now(), username=name, full_name="Lê Văn Thử", honorific="Ông", password=PASSWORD)
    got = exchange(house, answer_of(sign_in(browser, begin(browser), name))["code"]).json()
    if end == "password":
        send_form(browser, browser.get("/password"), current=PASSWORD, fresh=PASSWORD + "9", again=PASSWORD + "9")
    elif end == "elsewhere":
        sign_in(elsewhere, begin(elsewhere), name)
        token = read_form(elsewhere.get("/password"))[1]["form_token"]
        elsewhere.post("/sessions/end", data={"form_token": token, "session": "others"}, headers=OWN_PAGE)
    elif end == "signed-out":
        browser.get("/end_session", params={"id_token_hint": got["id_token"]})
    else:
        with house.db.write() as tx:
            deactivate(tx, clock.now(), tx.get_one(Account, account.id))
    with one_refusal(house, "refused.token"):
        check_grant_refused(renew(house, got["refresh_token"]))
    assert who(house, got["access_token"]).status_code == 401
    assert post(house, "/introspect", token=got["access_token"]).json() == {"active": False}


def test_c11_a_refresh_token_of_another_client_ends_its_grant(house: House) -> None:
    got = as_spa(house, house.browser())
    with one_refusal(house, "refused.token"):
        check_grant_refused(renew(house, got["refresh_token"]))
    form = {"grant_type": REFRESH, "client_id": "spa", "refresh_token": got["refresh_token"]}
    check_grant_refused(house.machine().post("/token", data=form))
    assert who(house, got["access_token"]).status_code == 401


def test_c12_a_scope_taken_from_the_client_is_taken_from_its_grants(house: House, person: Any) -> None:
    auth = new_client(house, scopes=("openid", "profile", "offline_access"))
    scope = "openid profile offline_access"
    form = {"grant_type": CODE, "code": code_for(house, person, client_id=auth[0], scope=scope), "redirect_uri": f"{APP}/cb"}
    got = post(house, "/token", auth, code_verifier=VERIFIER, **form).json()
    assert "name" in who(house, got["access_token"]).json()
    house.change_client(auth[0], scopes=["openid"])
    assert set(who(house, got["access_token"]).json()) == {"sub"}
    assert post(house, "/introspect", auth, token=got["access_token"]).json()["scope"] == "openid"
    fresh = post(house, "/token", auth, grant_type=REFRESH, refresh_token=got["refresh_token"]).json()
    assert fresh["scope"] == "openid"
    assert set(who(house, fresh["access_token"]).json()) == {"sub"}
    house.change_client(auth[0], scopes=["openid", "profile", "offline_access"])
    again = post(house, "/token", auth, grant_type=REFRESH, refresh_token=fresh["refresh_token"]).json()
    assert again["scope"] == "openid", "what was lost does not come back unasked"


def test_c12_a_grant_that_lost_offline_access_ends_with_its_session(house: House) -> None:
    auth, browser, scope = new_client(house), house.browser(), "openid offline_access"
    sign_in(browser, begin(browser))
    form = {"grant_type": CODE, "redirect_uri": f"{APP}/cb", "code_verifier": VERIFIER}
    codes = [code_for(house, browser, client_id=auth[0], scope=scope) for _ in range(2)]
    got = post(house, "/token", auth, code=codes[0], **form).json()
    house.change_client(auth[0], scopes=["openid", "profile"])
    assert post(house, "/token", auth, code=codes[1], **form).json()["scope"] == "openid"
    browser.get("/end_session", params={"id_token_hint": got["id_token"]})
    with one_refusal(house, "refused.token"):
        check_grant_refused(post(house, "/token", auth, grant_type=REFRESH, refresh_token=got["refresh_token"]))


def test_c13_a_smuggled_parameter_is_neither_used_nor_kept(house: House, person: Any) -> None:
    smuggled = {
        "client_session_host": "evil.test",
        "redirect_uri": "https://evil.test/",
        "sub": "x",
        "grant_id": "x",
        "aud": "x",
    }
    got = tokens(house, person)
    fresh = renew(house, got["refresh_token"], **smuggled).json()
    said = jwt.decode(fresh["access_token"], options={"verify_signature": False})
    assert "evil" not in json.dumps(said) + json.dumps(fresh)
    assert (said["sub"], said["aud"]) == (house.filled.subject, [API, ISSUER])


def test_c14_an_exchange_needs_a_subject_and_a_right(house: House, person: Any) -> None:
    trusted, foreign = (new_client(house, grant_types=EVERY_GRANT, trusted=trust) for trust in (True, False))
    access = tokens(house, person)["access_token"]
    kind = {"subject_token_type": f"{TYPE}access_token"}
    for auth, form in (
        (trusted, {}),
        (trusted, kind),
        (trusted, {"subject_token": access}),
        (trusted, {"subject_token": "x", **kind}),
        (trusted, {"subject_token": access, "subject_token_type": f"{TYPE}refresh_token"}),
        (trusted, {"subject_token": access, "subject_token_type": f"{TYPE}id_token"}),
        (foreign, {"subject_token": access, **kind}),  # the person was never asked
    ):
        with one_refusal(house, "refused.token"):
            check_error(post(house, "/token", auth, grant_type=EXCHANGE, **form), 400, "invalid_request", "invalid_grant")
    with one_refusal(house, "refused.token"):
        answer = post(house, "/token", trusted, grant_type="urn:ietf:params:oauth:grant-type:jwt-bearer", assertion=access)
    check_error(answer, 400, "unsupported_grant_type")


def test_c15_other_flows_do_not_exist(house: House, person: Any) -> None:
    for kind in ("token", "id_token", "code token", "code id_token", "id_token token", "none", "code code", "Code", "code "):
        with one_refusal(house, "refused.authorize"):
            answer = answer_of(person.get("/authorize", params=ask(response_type=kind)))
        assert answer["error"] in ("unsupported_response_type", "invalid_request")
    for kind in ("password", "implicit", "urn:ietf:params:oauth:grant-type:saml2-bearer", "Authorization_Code", ""):
        with one_refusal(house, "refused.token"):
            answer = post(house, "/token", grant_type=kind, username="hanhnth", password="mot-cau-ngan-de-nho")
        check_error(answer, 400, "unsupported_grant_type", "invalid_request")
