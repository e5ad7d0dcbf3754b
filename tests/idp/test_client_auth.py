"""Who calls: by a signed assertion (RFC 7523), by a secret, and by never more than one of them."""

import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from idp.clients.problems import TooWeakForProfile
from idp.clients.rules import CLIENT_CREDENTIALS, AuthMethod, Profile
from shared import clock
from tests.idp.conftest import ISSUER, House, web_client
from tests.idp.signed import ASSERTION, CB, Key, Rp, now, register_rp
from tests.idp.walk import CHALLENGE

PLAIN = {"profile": Profile.PLAIN, "dpop_bound": False, "grant_types": (CLIENT_CREDENTIALS,), "scopes": ("read",)}
FORM = {"grant_type": CLIENT_CREDENTIALS}


@pytest.fixture
def rp(house: House) -> Rp:
    return register_rp(house, house.machine(), **PLAIN)


def ask(rp: Rp, assertion: str | None, **form: str) -> tuple[int, str]:
    answer = rp.post("/token", FORM | form, assertion=assertion, dpop=None)
    return answer.status_code, answer.json().get("error", "")


GOOD: list[dict[str, Any]] = [
    {},
    {"aud": f"{ISSUER}/token"},
    {"aud": [ISSUER]},
    {"aud": [ISSUER, f"{ISSUER}/token"]},
    {"nbf": 8, "iat": 8},  # seconds from now
    {"iat": None},
    {"exp": 290},
    {"header": {"typ": "client-authentication+jwt"}},
    {"header": {"kid": None}},
    {"header": {"extra": "ignored"}},
]


@pytest.mark.parametrize("changes", GOOD)
def test_an_assertion_that_holds_is_taken(rp: Rp, changes: dict[str, Any]) -> None:
    dated = {name: now() + changes[name] for name in ("exp", "nbf", "iat") if changes.get(name)}
    assert ask(rp, rp.assertion(**(changes | dated))) == (200, "")


BAD: list[dict[str, Any]] = [
    {"aud": "https://elsewhere.example.test"},
    {"aud": [ISSUER, "https://elsewhere.example.test"]},
    {"aud": f"{ISSUER}/par"},
    {"aud": []},
    {"aud": None},
    {"aud": {"is": ISSUER}},
    {"iss": "other"},
    {"iss": None},
    {"sub": "other"},
    {"sub": None},
    {"sub": 5},
    {"jti": None},
    {"jti": ""},
    {"jti": 7},
    {"jti": "x" * 300},
    {"jti": "\ud800"},
    {"exp": None},
    {"exp": "soon"},
    {"exp": 1e308},
    {"exp": now() - 300},
    {"exp": now() + 100_000},
    {"nbf": now() + 100_000},
    {"iat": now() + 100_000},
    {"header": {"typ": "at+jwt"}},
    {"header": {"typ": "dpop+jwt"}},
    {"header": {"typ": "oauth-authz-req+jwt"}},
    {"header": {"crit": ["b64"], "b64": True}},
    {"header": {"crit": ["x"], "x": 1}},
    {"header": {"crit": []}},
    {"header": {"kid": "unknown"}},
    {"header": {"kid": "../../dev/null"}},
]


@pytest.mark.parametrize("changes", BAD)
def test_an_assertion_that_does_not_hold_is_refused(house: House, rp: Rp, changes: dict[str, Any]) -> None:
    assert ask(rp, rp.assertion(**changes)) == (401, "invalid_client")
    assert "refused.token" in house.acts()


def test_an_assertion_is_good_once_at_all_endpoints(house: House, rp: Rp) -> None:
    assertion = rp.assertion()
    assert ask(rp, assertion) == (200, "")
    house.later(seconds=30)
    assert ask(rp, assertion) == (401, "invalid_client")
    again = rp.http.post("/introspect", data={"token": "x", "client_assertion_type": ASSERTION, "client_assertion": assertion})
    assert again.status_code == 401


def test_what_is_remembered_of_an_assertion_is_that_of_its_client(house: House, rp: Rp) -> None:
    other = register_rp(house, house.machine(), **PLAIN)
    assert ask(rp, rp.assertion(jti="same")) == (200, "")
    assert ask(other, other.assertion(jti="same")) == (200, "")


def test_another_clients_key_signs_for_nobody_else(house: House, rp: Rp) -> None:
    stranger = Rp(rp.http, rp.issuer, rp.id, Key())
    assert ask(rp, stranger.assertion(header={"kid": rp.key.jkt})) == (401, "invalid_client")
    assert ask(rp, stranger.assertion(header={"jwk": stranger.key.public, "kid": None})) == (401, "invalid_client")


def test_no_algorithm_but_the_keys_own_is_taken(rp: Rp) -> None:
    claims = jwt.decode(rp.assertion(), options={"verify_signature": False})
    public = rp.key.private.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    hmac = jwt.get_algorithm_by_name("HS256")
    head, _, rest = jwt.encode(claims, "k" * 32, "HS256", {"kid": rp.key.jkt}).partition(".")
    signing_input = f"{head}.{rest.rpartition('.')[0]}"
    forged = [
        f"{signing_input}.{jwt.utils.base64url_encode(hmac.sign(signing_input.encode(), raw)).decode()}" for raw in (pem, der)
    ]
    for token in [
        *forged,
        jwt.encode(claims, None, "none"),
        rp.assertion() + "=",
        "a.b.c",
        "x" * 15_000,
        rp.assertion()[:-4] + "AAAA",
    ]:
        assert ask(rp, token) == (401, "invalid_client"), token[:80]


def test_only_the_registered_algorithm_counts(house: House) -> None:
    rp = register_rp(house, house.machine(), key=Key("PS256"), assertion_alg="ES256", **PLAIN)
    assert ask(rp, rp.assertion()) == (401, "invalid_client")
    house.change_client(rp.id, assertion_alg="PS256")
    assert ask(rp, rp.assertion()) == (200, "")
    assert ask(rp, rp.assertion(alg="RS256")) == (401, "invalid_client")


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_a_weak_or_broken_key_signs_nothing(house: House) -> None:
    weak = Key("RS256", bits=1024)
    padded = weak.jwk | {"n": "AAAA" * 60 + weak.jwk["n"]}
    off_curve = Key().jwk | {"y": "A" * 43}
    for jwk in (weak.jwk, padded, off_curve, {"kty": "oct", "k": "AAAA"}, {"kty": "EC"}, "x"):
        rp = register_rp(house, house.machine(), key=weak, **PLAIN)
        house.change_client(rp.id, jwks={"keys": [jwk]})
        assert ask(rp, rp.assertion(header={"kid": None})) == (401, "invalid_client")


def test_an_assertion_never_stands_beside_another_credential(house: House, rp: Rp) -> None:
    assert ask(rp, rp.assertion(), client_secret="x") == (401, "invalid_client")
    both = {"client_assertion_type": ASSERTION, "client_assertion": rp.assertion()}
    assert rp.http.post("/token", data=FORM | both, auth=("web", house.filled.web_secret)).status_code == 401
    assert ask(rp, rp.assertion(), client_id="web") == (401, "invalid_client")
    assert ask(rp, rp.assertion(), client_id=rp.id) == (200, "")
    for form in ({"client_assertion": rp.assertion()}, {"client_assertion": rp.assertion(), "client_assertion_type": "x"}):
        assert rp.http.post("/token", data=FORM | form | {"client_id": rp.id}).status_code == 401


def test_a_client_of_keys_cannot_come_with_a_secret_or_with_nothing(house: House, rp: Rp) -> None:
    house.change_client(rp.id, secret_digest="0" * 64)
    for form in ({"client_secret": "x"}, {}):
        assert rp.http.post("/token", data=FORM | form | {"client_id": rp.id}).json()["error"] == "invalid_client"
    assert rp.http.post("/token", data=FORM, auth=(rp.id, "x")).status_code == 401


def test_a_client_of_a_secret_cannot_sign(house: House, rp: Rp) -> None:
    house.change_client("web", jwks={"keys": [rp.key.jwk]})
    assert ask(rp, Rp(rp.http, rp.issuer, "web", rp.key).assertion()) == (401, "invalid_client")


def test_keys_are_fetched_and_fetched_anew_for_one_that_is_unknown(house: House, tmp_path: Path) -> None:
    rp = register_rp(house, house.machine(), **PLAIN, jwks_uri="https://rp.example.test/keys")
    served, tries = {"keys": [rp.key.jwk]}, []
    rotated = Key()

    class Keys:
        async def get(self, _settings: Any, url: str, *, fresh: bool) -> bytes:
            tries.append((url, fresh))
            return json.dumps(served | ({"keys": [rp.key.jwk, rotated.jwk]} if fresh else {})).encode()

    house.app.state.outbound = Keys()
    house.change_client(rp.id, jwks={})
    assert ask(rp, rp.assertion()) == (200, "")
    assert tries == [("https://rp.example.test/keys", False)]
    assert ask(rp, Rp(rp.http, rp.issuer, rp.id, rotated).assertion()) == (200, "")
    assert tries[1:] == [("https://rp.example.test/keys", False), ("https://rp.example.test/keys", True)]
    assert ask(rp, Rp(rp.http, rp.issuer, rp.id, Key()).assertion()) == (401, "invalid_client")


def test_a_fetch_after_an_assertion_was_remembered_does_not_make_it_a_replay(house: House) -> None:
    """A pushed request object with an unknown key: the work is run again with the keys fetched anew."""
    rp = register_rp(house, house.machine(), profile=Profile.PLAIN, dpop_bound=False, jwks_uri="https://rp.example.test/keys")
    rotated = Key()

    class Keys:
        async def get(self, _settings: Any, _url: str, *, fresh: bool) -> bytes:
            return json.dumps({"keys": [rp.key.jwk, *([rotated.jwk] if fresh else [])]}).encode()

    house.app.state.outbound = Keys()
    house.change_client(rp.id, jwks={})
    pushed = rp.post("/par", {"client_id": rp.id, "request": rp.request_object(key=rotated)}, dpop=None)
    assert pushed.status_code == 201, pushed.text


def test_an_assertion_serves_every_endpoint_that_clients_call(rp: Rp, house: House) -> None:
    token = rp.post("/token", FORM, dpop=None).json()["access_token"]
    assert rp.post("/introspect", {"token": token}, dpop=None).json()["active"] is True
    assert rp.post("/revoke", {"token": token}, dpop=None).status_code == 200
    assert rp.post("/introspect", {"token": token}, dpop=None).json()["active"] is False
    house.change_client(rp.id, grant_types=["authorization_code"], scopes=["openid"])
    asked = {"response_type": "code", "scope": "openid", "redirect_uri": CB, "code_challenge": CHALLENGE}
    answer = rp.post("/par", asked | {"code_challenge_method": "S256"}, assertion=rp.assertion(aud=f"{ISSUER}/par"), dpop=None)
    assert answer.status_code == 201, answer.text


def test_the_clock_of_the_service_decides(house: House, rp: Rp) -> None:
    assertion = rp.assertion(exp=int(clock.now().timestamp()) + 60)
    house.later(seconds=130)
    assert ask(rp, assertion) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("auth_method", {"auth_method": AuthMethod.BASIC}),
        ("auth_method", {"auth_method": AuthMethod.NONE}),
        ("id_token_alg", {"id_token_alg": "RS256"}),
        ("request_object_alg", {"request_object_alg": "RS256"}),
        ("assertion_alg", {"assertion_alg": "RS256"}),
        ("dpop_bound", {"dpop_bound": False}),
    ],
)
def test_a_fapi_client_is_not_registered_weaker_than_its_profile(field: str, changes: dict[str, Any]) -> None:
    strong = {"auth_method": AuthMethod.PRIVATE_KEY, "id_token_alg": "ES256", "dpop_bound": True, "profile": Profile.FAPI2}
    web_client(**strong).check()
    with pytest.raises(TooWeakForProfile) as refused:
        web_client(**(strong | changes)).check()
    assert (refused.value.code, refused.value.facts) == ("too-weak-for-profile", {"field": field})
