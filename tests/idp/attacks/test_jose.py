"""Attacks on tokens: each forgery of J01 to J13 at each place that takes a token."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any
from uuid import uuid4

import jwt
import pytest
from httpx2 import Response
from sqlalchemy import func, select

from idp.clients.rules import CIBA, CODE, EXCHANGE, REFRESH, AuthMethod, Profile
from idp.keys.actions import signing_key
from shared.audit import AuditEvent
from tests.idp.attacks import forgeries
from tests.idp.attacks.jose import Signer
from tests.idp.attacks.refusals import check_quiet, new_client, soon
from tests.idp.conftest import APP, ISSUER, House
from tests.idp.signed import ASSERTION, Rp, now, register_rp
from tests.idp.walk import VERIFIER, ask, code_for

Claims = dict[str, Any]
TYPE = "urn:ietf:params:oauth:token-type:"


@dataclass(frozen=True)
class Door:
    """A place that takes a token. `event`: what a refusal leaves in the audit record; `dated`: claims without which a token
    does not hold there, empty where time is not judged."""

    signer: Signer
    claims: Callable[[], Claims]
    send: Callable[[str], Response]
    accepted: Callable[[Response], bool]
    event: str | None
    dated: str = "exp iat"
    addressed: bool = True  # `iss` and `aud` are judged


@dataclass(frozen=True)
class Scene:
    """Whoever there is to send tokens: a signing client, one with a secret, and what they were given."""

    house: House
    rp: Rp
    secret: tuple[str, str]
    access: Claims
    identity: Claims
    person: Any

    def own(self, alg: str, typ: str) -> Signer:
        with self.house.db.read() as tx:
            key = signing_key(tx, self.house.settings, alg)
        jwk = {name: value for name, value in key.as_dict(private=True).items() if name not in ("use", "key_ops")}
        return Signer(parsed(json.dumps(jwk)), alg, {"alg": alg, "typ": typ, "kid": jwk["kid"]})

    def theirs(self, typ: str) -> Signer:
        return Signer(self.rp.key.private, "ES256", {"alg": "ES256", "typ": typ, "kid": self.rp.key.jkt})


@lru_cache
def parsed(jwk: str) -> Any:
    """With RSA this takes 40 ms."""
    return jwt.PyJWK(json.loads(jwk)).key


def grants(*, ciba: bool) -> tuple[str, ...]:
    return (CODE, REFRESH, EXCHANGE, *((CIBA,) if ciba else ()))


@pytest.fixture(scope="module")
def scene(standing: House, person: Any) -> Scene:
    plain: Claims = {"profile": Profile.PLAIN, "dpop_bound": False, "require_pkce": False, "jwks_uri": ""}
    rp = register_rp(standing, standing.machine(), **plain, grant_types=grants(ciba=False))
    auth = new_client(standing, grant_types=grants(ciba=True), auth_method=AuthMethod.BASIC)
    code = code_for(standing, person, client_id=auth[0])
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": f"{APP}/cb", "code_verifier": VERIFIER}
    got = standing.machine().post("/token", data=form, auth=auth).json()
    read = partial(jwt.decode, options={"verify_signature": False})
    return Scene(standing, rp, auth, read(got["access_token"]), read(got["id_token"]), person)


def is_ok(answer: Response) -> bool:
    return answer.status_code == 200


def goes_on(answer: Response) -> bool:
    return answer.status_code in (200, 201, 303) and "error=" not in answer.headers.get("location", "")


def own_doors(scene: Scene) -> dict[str, Door]:
    """Our own tokens, handed back to us."""
    machine, auth = scene.house.machine(), scene.secret
    access, identity = scene.own("ES256", "at+jwt"), scene.own("RS256", "JWT")

    def post(path: str, **form: str) -> Callable[[str], Response]:
        return lambda token: machine.post(path, data={name: value or token for name, value in form.items()}, auth=auth)

    exchange = {"grant_type": EXCHANGE, "subject_token": "", "subject_token_type": f"{TYPE}access_token"}

    def bearer(token: str) -> Response:
        sent = re.sub(r"\s", "~", token)  # HTTP itself trims blanks
        return machine.get("/userinfo", headers={"authorization": b"Bearer " + sent.encode()})

    def in_form(token: str) -> Response:
        return machine.post("/userinfo", data={"access_token": token})

    def hint(token: str) -> Response:
        return scene.person.post("/authorize", data=ask(client_id=auth[0], id_token_hint=token, prompt="none"))

    def sign_out(token: str) -> Response:
        sent = {"id_token_hint": token, "client_id": auth[0]}
        return (
            scene.house.browser().get("/end_session", params=sent)
            if len(token) < 60_000
            else machine.post("/end_session", data=sent)
        )

    def revoked() -> int:
        with scene.house.db.read() as tx:
            return tx.scalar(select(func.count()).where(AuditEvent.act == "token.revoked")) or 0

    before = revoked()
    claims, about = lambda: scene.access, lambda: scene.identity
    again = lambda: scene.access | {"jti": uuid4().hex}  # noqa: E731
    return {
        "userinfo": Door(access, claims, bearer, is_ok, "refused.userinfo"),
        "userinfo-form": Door(access, claims, in_form, is_ok, "refused.userinfo"),
        "introspect": Door(access, claims, post("/introspect", token=""), lambda a: a.json().get("active", False), None),
        "revoke": Door(access, again, post("/revoke", token=""), lambda _: revoked() > before, None),
        "exchange": Door(access, claims, post("/token", **exchange), is_ok, "refused.token"),
        "hint": Door(identity, about, hint, goes_on, "refused.authorize", dated=""),
        "sign-out": Door(identity, about, sign_out, goes_on, "refused.logout-request-refused", dated=""),
        "ciba-hint": Door(
            identity, about, post("/bc-authorize", id_token_hint="", scope="openid"), is_ok, "refused.bc-authorize", dated=""
        ),
    }


def their_doors(scene: Scene) -> dict[str, Door]:
    """What clients sign."""
    rp, machine = scene.rp, scene.house.machine()

    def assertion() -> Claims:
        return {"iss": rp.id, "sub": rp.id, "aud": ISSUER, "jti": uuid4().hex, "exp": now() + 60, "iat": now()}

    def proof(method: str, path: str) -> Callable[[], Claims]:
        return lambda: {"jti": uuid4().hex, "htm": method, "htu": f"{ISSUER}{path}", "iat": now()}

    def asked() -> Claims:
        return {"iss": rp.id, "aud": ISSUER, "exp": now() + 60, "iat": now()} | rp.asked()

    def by_assertion(path: str, **form: str) -> Callable[[str], Response]:
        return lambda token: machine.post(path, data=form | {"client_assertion_type": ASSERTION, "client_assertion": token})

    def by_proof(token: str) -> Response:
        return machine.post("/par", data={}, headers={"dpop": token.encode()})

    def with_proof(token: str) -> Response:
        form = {"grant_type": EXCHANGE, "subject_token": access, "subject_token_type": f"{TYPE}access_token"}
        return machine.post("/token", data=form, auth=scene.secret, headers={"dpop": token.encode()})

    def by_browser(token: str) -> Response:
        return scene.person.post("/authorize", data={"client_id": rp.id, "request": token})

    def pushed(token: str) -> Response:
        return rp.post("/par", {"request": token}, dpop=None)

    access = scene.own("ES256", "at+jwt").sign(scene.access)
    proving = Signer(rp.dpop.private, "ES256", {"alg": "ES256", "typ": "dpop+jwt", "jwk": rp.dpop.public})
    object_ = scene.theirs("oauth-authz-req+jwt")
    asserted = by_assertion("/par", **rp.asked())
    revoked = by_assertion("/revoke", token="x")
    return {
        "assertion-par": Door(scene.theirs("JWT"), assertion, asserted, goes_on, "refused.par", "exp"),
        "assertion-revoke": Door(scene.theirs("JWT"), assertion, revoked, is_ok, "refused.revoke", "exp"),
        "proof": Door(proving, proof("POST", "/token"), with_proof, is_ok, "refused.token", "iat", addressed=False),
        "object": Door(object_, asked, by_browser, goes_on, "refused.authorization-request-refused", "-"),
        "pushed-object": Door(object_, asked, pushed, goes_on, "refused.par", "-"),
    }


OWN = ("userinfo", "userinfo-form", "introspect", "revoke", "exchange", "hint", "sign-out", "ciba-hint")
THEIRS = ("assertion-par", "assertion-revoke", "proof", "object", "pushed-object")
at_every_door = pytest.mark.parametrize("door", [*OWN, *THEIRS])


def opened(scene: Scene, name: str) -> Door:
    return (own_doors(scene) if name in OWN else their_doors(scene))[name]


def check_none_is_taken(scene: Scene, door: Door, made: Callable[[Signer, Claims], forgeries.Forgeries]) -> None:
    whole = door.event in ("refused.userinfo", "refused.authorize", "refused.revoke", "refused.token")
    claims = door.claims()
    events, refused = scene.house.events(), 0
    # One reader stands behind all doors, and what a token is worth does not depend on the database.
    thin = 20 if not scene.house.db.is_sqlite else 1 if whole else 4
    for number, (name, token) in enumerate(made(door.signer, claims)):
        if number % thin:
            continue
        with soon():
            answer = door.send(token)
        assert answer.status_code < 500, name
        assert answer.status_code == 413 or not door.accepted(answer), f"{name}: {token[:300]}"
        check_quiet(answer)
        refused += answer.status_code != 413
    told = [act for act in scene.house.acts(since=events) if "refused" in act]
    assert len(told) == refused if door.event else len(told) <= refused  # one that is too long is refused before it is read
    assert set(told) <= {door.event, "refused.introspect", "refused.revoke", "refused.authorization-request-refused"}


@at_every_door
def test_a_good_token_is_taken(scene: Scene, house: House, door: str) -> None:
    known = opened(scene, door)
    answer = known.send(known.signer.sign(known.claims()))
    assert known.accepted(answer), answer.text


@at_every_door
def test_j01_no_signature(scene: Scene, house: House, door: str) -> None:
    check_none_is_taken(scene, opened(scene, door), forgeries.j01_no_signature)


@at_every_door
def test_j02_our_public_key_as_a_secret(scene: Scene, house: House, door: str) -> None:
    check_none_is_taken(scene, opened(scene, door), forgeries.j02_public_key_as_secret)


@at_every_door
def test_j03_a_key_that_the_token_brings(scene: Scene, house: House, door: str) -> None:
    check_none_is_taken(scene, opened(scene, door), forgeries.j03_key_of_the_attacker)


@at_every_door
def test_j04_a_critical_extension(scene: Scene, house: House, door: str) -> None:
    check_none_is_taken(scene, opened(scene, door), forgeries.j04_critical_extensions)


@at_every_door
def test_j05_a_huge_token(scene: Scene, house: House, door: str) -> None:
    check_none_is_taken(scene, opened(scene, door), forgeries.j05_large)


@at_every_door
def test_j06_j07_j08_an_encrypted_token(scene: Scene, house: House, door: str) -> None:
    check_none_is_taken(scene, opened(scene, door), forgeries.j06_encrypted)


@at_every_door
def test_j09_a_token_as_json(scene: Scene, house: House, door: str) -> None:
    check_none_is_taken(scene, opened(scene, door), forgeries.j09_as_json)


@at_every_door
def test_j11_json_that_two_readers_take_differently(scene: Scene, house: House, door: str) -> None:
    known = opened(scene, door)

    def made(good: Signer, claims: Claims) -> forgeries.Forgeries:
        for name, token in forgeries.j11_json(good, claims):
            if known.addressed or not name.startswith(("{'aud'", "{'iss'")):
                yield name, token

    check_none_is_taken(scene, known, made)


@pytest.mark.parametrize("door", [name for name in (*OWN, *THEIRS) if name not in ("hint", "sign-out", "ciba-hint")])
def test_j12_a_time_that_does_not_hold(scene: Scene, house: House, door: str) -> None:
    known = opened(scene, door)
    check_none_is_taken(scene, known, lambda good, claims: forgeries.j12_times(good, claims, known.dated))


@at_every_door
def test_j13_base64_in_other_letters(scene: Scene, house: House, door: str) -> None:
    check_none_is_taken(scene, opened(scene, door), forgeries.j13_base64)
