"""Each check of OpenID Connect Back-Channel Logout 1.0, section 2.6, by a token that fails in it alone."""

from datetime import UTC, datetime, timedelta

import pytest

from deploy.demo.second_app.logout_token import EVENT, Ended, LogoutTokens
from deploy.demo.second_app.sessions import MOST, Store
from shared.issuer import IssuerKeys
from shared.tokens import InvalidToken, generate_key, sign

ISSUER, CLIENT = "https://id.example.test", "calendar"
NOW = datetime(2026, 12, 9, 1, 0, tzinfo=UTC)
KEY = generate_key("ES256")


@pytest.fixture
def tokens() -> LogoutTokens:
    documents = {
        f"{ISSUER}/.well-known/openid-configuration": {"jwks_uri": f"{ISSUER}/jwks"},
        f"{ISSUER}/jwks": {"keys": [KEY.as_dict(private=False)]},
    }
    return LogoutTokens(ISSUER, CLIENT, IssuerKeys(ISSUER, documents.__getitem__))


def token(typ: str = "logout+jwt", key=KEY, **changes: object) -> str:
    at = int(NOW.timestamp())
    claims = {
        "iss": ISSUER,
        "aud": CLIENT,
        "sub": "person",
        "sid": "session",
        "iat": at,
        "exp": at + 120,
        "jti": "one",
        "events": {EVENT: {}},
    }
    return sign({name: value for name, value in (claims | changes).items() if value is not None}, key, typ=typ)


@pytest.mark.parametrize("typ", ["logout+jwt", "JWT"])
def test_a_token_that_holds_says_whose_session_ended(tokens, typ):
    assert tokens.read(token(typ), NOW) == Ended("person", "session")


@pytest.mark.parametrize("missing", ["sub", "sid"])
def test_either_person_or_session_is_enough(tokens, missing):
    ended = tokens.read(token(**{missing: None}), NOW)
    assert (ended.sub, ended.sid).count(None) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"typ": "at+jwt"},
        {"iss": "https://other.example.test"},
        {"aud": "another"},
        {"events": None},
        {"events": {"urn:other": {}}},
        {"events": {EVENT: "yes"}},
        {"nonce": "n"},
        {"sub": None, "sid": None},
        {"sid": 7},
        {"jti": None},
        {"iat": None},
        {"iat": int((NOW - timedelta(minutes=6)).timestamp())},
        {"iat": int((NOW + timedelta(minutes=6)).timestamp())},
        {"exp": None},
        {"exp": int((NOW - timedelta(minutes=2)).timestamp())},
        {"key": generate_key("ES256")},
    ],
)
def test_a_token_that_fails_in_one_thing_is_refused(tokens, changes):
    with pytest.raises(InvalidToken):
        tokens.read(token(**changes), NOW)


def test_a_token_is_good_once(tokens):
    tokens.read(token(), NOW)
    with pytest.raises(InvalidToken):
        tokens.read(token(), NOW)


def test_what_is_no_token_is_refused(tokens):
    with pytest.raises(InvalidToken):
        tokens.read("", NOW)


def test_a_session_ends_by_its_sid_and_without_one_by_its_person():
    store = Store()
    first, second = store.add({"sid": "a", "sub": "p"}), store.add({"sid": "b", "sub": "p"})
    assert store.end(sid="a", sub="p") == 1
    assert (store.find(first), store.find(second)) == (None, {"sid": "b", "sub": "p"})
    assert store.end(sid=None, sub="p") == 1
    assert store.find(second) is None


def test_a_session_that_was_ended_is_not_brought_back_by_a_late_answer():
    store = Store()
    token = store.add({"sid": "a"})
    store.end(sid="a", sub=None)
    store.update(token, {"sid": "a", "person": "x"})
    assert store.find(token) is None


def test_the_store_is_bounded():
    store = Store()
    first = store.add({"n": 0})
    for _ in range(MOST):
        last = store.add({"n": 1})
    assert store.find(first) is None
    assert store.find(last) == {"n": 1}
