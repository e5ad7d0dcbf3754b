"""Token exchange (RFC 8693): on behalf of whom, by whom, for what, and for how long."""

from typing import Any

import pytest
from httpx2 import Response
from jose import jwt as second_opinion

from idp.accounts.actions import deactivate
from idp.accounts.models import Account
from idp.clients.actions import register_client
from idp.clients.rules import CLIENT_CREDENTIALS, CODE, EXCHANGE, REFRESH, AuthMethod
from idp.keys.actions import signing_key
from idp.login.models import SignInSession
from idp.login.sessions import end_session
from idp.oidc.models import Consent
from shared import clock
from shared.tokens import sign
from tests.idp.conftest import API, ISSUER, House, web_client
from tests.idp.signed import Key
from tests.idp.walk import VERIFIER, answer_of, begin, sign_in, tokens, who

ACCESS, ID = (f"urn:ietf:params:oauth:token-type:{kind}_token" for kind in ("access", "id"))
ARCHIVE = "https://archive.example.test"
TOKEN = f"{ISSUER}/token"


@pytest.fixture
def house(house: House) -> House:
    """With a service that is called at API and itself calls the archive."""
    metadata = web_client(
        name="Dịch vụ tài liệu",
        auth_method=AuthMethod.POST,
        redirect_uris=(),
        grant_types=(EXCHANGE, CLIENT_CREDENTIALS),
        scopes=("openid", "profile", "archive"),
        audiences=(API, ARCHIVE),
    )
    with house.db.write() as tx:
        _, secret = register_client(tx, clock.now(), metadata, client_id="service")
    house.change_client("web", grant_types=[CODE, REFRESH, EXCHANGE], audiences=[API, ARCHIVE])
    SECRETS["service"], SECRETS["web"] = str(secret), house.filled.web_secret
    return house


SECRETS: dict[str, str] = {}


def exchange(house: House, subject: str, client_id: str = "service", **changes: str | None) -> Response:
    form: dict[str, str | None] = {"grant_type": EXCHANGE, "subject_token": subject, "subject_token_type": ACCESS} | changes
    auth = None
    if client_id == "web":
        auth = ("web", SECRETS["web"])
    else:
        form |= {"client_id": client_id, "client_secret": SECRETS.get(client_id)}
    data = {name: value for name, value in form.items() if value is not None}
    return house.machine().post("/token", data=data, auth=auth)


def claims_of(answer: Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    claims: dict[str, Any] = second_opinion.get_unverified_claims(answer.json()["access_token"])
    return claims


def forged(house: House, token: str, **changes: Any) -> str:
    """The same token with other claims, signed by the provider itself."""
    claims = second_opinion.get_unverified_claims(token) | changes
    with house.db.read() as tx:
        return sign(claims, signing_key(tx, house.settings, "ES256"), typ="at+jwt")


def test_a_service_goes_on_for_the_person_and_is_named_as_the_actor(house: House) -> None:
    subject = tokens(house, house.browser())["access_token"]
    answer = exchange(house, subject, audience=ARCHIVE)
    claims = claims_of(answer)
    assert (claims["sub"], claims["client_id"]) == (house.filled.subject, "service")
    assert claims["aud"] == [ARCHIVE, ISSUER]
    assert claims["act"] == {"sub": "service", "client_id": "service"}
    body = answer.json()
    assert body["issued_token_type"] == ACCESS
    assert body["scope"] == "openid profile"  # web's email is not the service's
    assert "refresh_token" not in body
    assert answer.headers["cache-control"] == "no-store"
    assert "token.exchanged" in house.acts()


def test_the_actors_of_a_chain_are_nested_and_bounded(house: House) -> None:
    first = exchange(house, tokens(house, house.browser())["access_token"])
    own = {"grant_type": CLIENT_CREDENTIALS, "client_id": "service", "client_secret": SECRETS["service"]}
    machine = house.machine().post("/token", data=own).json()["access_token"]
    second = exchange(house, first.json()["access_token"], actor_token=machine, actor_token_type=ACCESS)
    inner = {"sub": "service", "client_id": "service"}
    assert claims_of(second)["act"] == inner | {"act": inner}
    answer = second
    for _ in range(3):
        answer = exchange(house, answer.json()["access_token"], actor_token=machine, actor_token_type=ACCESS)
    refused = exchange(house, answer.json()["access_token"], actor_token=machine, actor_token_type=ACCESS)
    assert refused.json()["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("may_act", "error"),
    [
        ({"sub": "service"}, None),
        ({"sub": "service", "iss": ISSUER, "client_id": "service"}, None),
        ({"sub": "web"}, "invalid_request"),
        ({"sub": "service", "iss": "https://other.test"}, "invalid_request"),
        ({"client_id": "service"}, "invalid_request"),
        ({}, "invalid_request"),
        ("service", "invalid_request"),
    ],
)
def test_only_who_is_named_in_may_act_may_act(house: House, may_act: Any, error: str | None) -> None:
    subject = forged(house, tokens(house, house.browser())["access_token"], may_act=may_act)
    answer = exchange(house, subject)
    assert answer.json().get("error") == error


def test_a_client_may_narrow_its_own_token_and_acts_for_nobody(house: House) -> None:
    subject = tokens(house, house.browser())["access_token"]
    claims = claims_of(exchange(house, subject, "web", scope="openid", resource=ARCHIVE))
    assert (claims["scope"], claims["aud"]) == ("openid", [ARCHIVE, ISSUER])
    assert "act" not in claims
    told = who(house, exchange(house, subject, "web", scope="openid").json()["access_token"]).json()
    assert told == {"sub": house.filled.subject}


def test_an_id_token_stands_for_its_session_at_the_client_that_it_was_issued_to(house: House) -> None:
    id_token = tokens(house, house.browser())["id_token"]
    assert claims_of(exchange(house, id_token, "web", subject_token_type=ID))["sub"] == house.filled.subject
    assert exchange(house, id_token, subject_token_type=ID).json()["error"] == "invalid_request"
    house.later(minutes=10, seconds=1)  # no leeway: what came of it would be over already
    assert exchange(house, id_token, "web", subject_token_type=ID).json()["error"] == "invalid_request"


def test_nothing_outlives_the_token_that_was_handed_in_nor_its_grant(house: House) -> None:
    subject = tokens(house, house.browser())["access_token"]
    until = second_opinion.get_unverified_claims(subject)["exp"]
    house.later(minutes=8)
    answer = exchange(house, subject)
    got = answer.json()["access_token"]
    assert claims_of(answer)["exp"] == until
    assert answer.json()["expires_in"] <= 121
    assert who(house, got).status_code == 200
    with house.db.write() as tx:
        sid = second_opinion.get_unverified_claims(subject)["sid"]
        end_session(tx, clock.now(), tx.get_one(SignInSession, sid), reason="test")
    assert who(house, got).status_code == 401
    assert exchange(house, got).json()["error"] == "invalid_request"


def test_a_closed_account_is_served_by_nobody(house: House) -> None:
    subject = tokens(house, house.browser())["access_token"]
    got = exchange(house, subject).json()["access_token"]
    with house.db.write() as tx:
        deactivate(tx, clock.now(), tx.get_one(Account, house.filled.subject))
    assert who(house, got).status_code == 401
    assert exchange(house, subject).json()["error"] == "invalid_request"


REFUSED: list[tuple[dict[str, str | None], str]] = [
    ({"subject_token": None}, "invalid_request"),
    ({"subject_token": None, "subject_token_type": None}, "invalid_request"),
    ({"subject_token_type": None}, "invalid_request"),
    ({"subject_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"),
    ({"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request"),
    ({"subject_token_type": ID}, "invalid_request"),
    ({"subject_token": "eyJhbGciOiJub25lIn0.e30."}, "invalid_request"),
    ({"actor_token": "x"}, "invalid_request"),
    ({"actor_token_type": ACCESS}, "invalid_request"),
    ({"actor_token": "x", "actor_token_type": ACCESS}, "invalid_request"),
    ({"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"),
    ({"audience": "https://other.example.test"}, "invalid_target"),
    ({"resource": "https://other.example.test"}, "invalid_target"),
    ({"scope": "openid email"}, "invalid_scope"),
    ({"scope": "archive"}, "invalid_scope"),
]


@pytest.mark.parametrize(("changes", "error"), REFUSED)
def test_an_exchange_is_refused(house: House, changes: dict[str, str | None], error: str) -> None:
    subject = tokens(house, house.browser())["access_token"]
    answer = exchange(house, subject, **changes)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert house.acts()[-1] == "refused.token"


def test_a_public_client_and_one_that_is_not_registered_for_it_are_refused(house: House) -> None:
    subject = tokens(house, house.browser())["access_token"]
    house.change_client("spa", grant_types=[CODE, EXCHANGE])
    assert exchange(house, subject, "spa").json()["error"] == "unauthorized_client"
    house.change_client("service", grant_types=[CLIENT_CREDENTIALS])
    assert exchange(house, subject).json()["error"] == "unauthorized_client"


def test_a_service_that_the_token_is_not_for_may_not_exchange_it(house: House) -> None:
    subject = tokens(house, house.browser())["access_token"]
    house.change_client("service", audiences=["https://elsewhere.example.test"])
    assert exchange(house, subject).json()["error"] == "invalid_request"


def test_a_client_of_others_needs_the_persons_consent_here_too(house: House) -> None:
    subject = tokens(house, house.browser())["access_token"]
    house.change_client("service", trusted=False)
    assert exchange(house, subject).json()["error"] == "invalid_request"
    with house.db.write() as tx:
        about = {"account_id": house.filled.subject, "client_id": "service", "at": clock.now()}
        tx.add(Consent(**about, scopes=["openid"]))
    assert exchange(house, subject).json()["error"] == "invalid_request"
    assert exchange(house, subject, scope="openid").json()["scope"] == "openid"


def test_details_go_on_with_who_may_ask_for_them_and_with_others_clients_never(house: House) -> None:
    details = [{"type": "hop.bieuquyet", "identifier": "42"}]
    subject = forged(house, tokens(house, house.browser())["access_token"], authorization_details=details)
    assert "authorization_details" not in claims_of(exchange(house, subject))
    house.change_client("service", details_types=["hop.bieuquyet"])
    assert claims_of(exchange(house, subject))["authorization_details"] == details
    house.change_client("service", trusted=False)
    with house.db.write() as tx:
        about = {"account_id": house.filled.subject, "client_id": "service", "at": clock.now()}
        tx.add(Consent(**about, scopes=["openid", "profile"]))
    assert "authorization_details" not in claims_of(exchange(house, subject)), "the person has allowed them to another"


def test_a_token_that_is_bound_to_a_key_comes_with_its_proof_or_not_at_all(house: House) -> None:
    subject = forged(house, tokens(house, house.browser())["access_token"], cnf={"jkt": "x" * 43})
    assert exchange(house, subject).json()["error"] == "invalid_request"


def test_with_the_proof_what_comes_out_is_bound_to_the_same_key(house: House) -> None:
    key, browser = Key(), house.browser()
    page = sign_in(browser, begin(browser, client_id="spa", redirect_uri="http://localhost:8500/cb"))
    form = {"grant_type": "authorization_code", "client_id": "spa", "redirect_uri": "http://localhost:8500/cb"}
    form |= {"code": answer_of(page)["code"], "code_verifier": VERIFIER}
    bound = house.machine().post("/token", data=form, headers={"DPoP": key.proof("POST", TOKEN)}).json()["access_token"]
    form = {"grant_type": EXCHANGE, "subject_token": bound, "subject_token_type": ACCESS}
    form |= {"client_id": "service", "client_secret": SECRETS["service"]}
    answers = [house.machine().post("/token", data=form, headers={"DPoP": one.proof("POST", TOKEN)}) for one in (key, Key())]
    assert claims_of(answers[0])["cnf"] == {"jkt": key.jkt}
    assert answers[0].json()["token_type"] == "DPoP"
    assert answers[1].json()["error"] == "invalid_request"


def test_a_revoked_token_is_not_exchanged(house: House) -> None:
    subject = tokens(house, house.browser())["access_token"]
    house.machine().post("/revoke", data={"token": subject}, auth=("web", house.filled.web_secret))
    assert exchange(house, subject).json()["error"] == "invalid_request"
