"""The issuer's keys: fetched once, again for a new one, and kept while the issuer is away or silent."""

from threading import Event, Thread
from typing import Any

import httpx2
import pytest

from shared import issuer, tokens
from shared.issuer import IssuerKeys
from shared.problems import Unavailable
from shared.tokens import InvalidToken
from tests.shared.test_tokens import AUDIENCE, FORGERIES, ISSUER, KEYS, NOW, TYP, claims, sign


class Publisher:
    """An issuer's documents, that can change and go away."""

    def __init__(self) -> None:
        self.keys, self.away, self.fetched = [KEYS["ES256"]], False, 0

    def __call__(self, url: str) -> dict[str, Any]:
        if self.away:
            raise httpx2.ConnectError("away")
        self.fetched += 1
        return {"jwks_uri": f"{ISSUER}/jwks", "keys": [key.as_dict(private=False) for key in self.keys]}


def test_the_issuers_keys_are_fetched_once_and_again_for_a_new_one_but_not_for_every_stranger(monkeypatch):
    publisher, clock = Publisher(), [1000.0]
    monkeypatch.setattr(issuer.time, "monotonic", lambda: clock[0])
    keys = IssuerKeys(ISSUER, publisher)
    for _ in range(3):
        verify_with(keys, sign())
    assert publisher.fetched == 2  # discovery and keys
    publisher.keys.append(KEYS["RS256"])
    for _ in range(50):
        with pytest.raises(InvalidToken):
            verify_with(keys, FORGERIES["stranger"])
    assert publisher.fetched == 2
    clock[0] += 11
    verify_with(keys, sign("RS256"))
    assert publisher.fetched == 4
    publisher.keys = [KEYS["RS256"]]  # the old one is withdrawn
    clock[0] += 3601
    with pytest.raises(InvalidToken):
        verify_with(keys, sign("ES256"))


def verify_with(keys: IssuerKeys, token: str) -> dict[str, Any]:
    return tokens.verify(token, keys.find(token), NOW, issuer=ISSUER, audience=AUDIENCE, typ=TYP)


def test_while_the_issuer_is_away_known_keys_serve_and_unknown_ones_are_waited_for(monkeypatch):
    publisher, clock = Publisher(), [1000.0]
    monkeypatch.setattr(issuer.time, "monotonic", lambda: clock[0])
    publisher.away = True
    keys = IssuerKeys(ISSUER, publisher)
    with pytest.raises(Unavailable):
        keys.find(sign())
    publisher.away = False
    clock[0] += 2
    verify_with(keys, sign())
    publisher.away = True
    clock[0] += 7200
    assert verify_with(keys, sign()) == claims()


@pytest.mark.parametrize("keys", [None, 7, [], [7], [{"kty": "?"}], [{"kty": "EC", "crv": "P-256", "x": "!"}]])
def test_an_issuer_that_publishes_nonsense_is_unavailable(keys):
    with pytest.raises(Unavailable):
        IssuerKeys(ISSUER, lambda _url: {"jwks_uri": "x", "keys": keys}).find(sign())
    with pytest.raises(Unavailable):
        IssuerKeys(ISSUER, lambda _url: {"keys": keys}).find(sign())


def test_an_issuer_that_is_away_is_not_asked_by_everybody_who_comes_meanwhile(monkeypatch):
    tried, clock = [], [1000.0]
    monkeypatch.setattr(issuer.time, "monotonic", lambda: clock[0])

    def away(url: str) -> dict[str, Any]:
        tried.append(url)
        raise httpx2.ConnectTimeout("away")

    keys = IssuerKeys(ISSUER, away)
    for _ in range(50):
        with pytest.raises(Unavailable):
            keys.find(sign())
    assert len(tried) == 1
    clock[0] += 2
    with pytest.raises(Unavailable):
        keys.find(sign())
    assert len(tried) == 2


def test_while_one_waits_for_a_silent_issuer_the_others_go_on_with_the_keys_that_were_known(monkeypatch):
    publisher, clock, asked, answers = Publisher(), [1000.0], Event(), Event()
    monkeypatch.setattr(issuer.time, "monotonic", lambda: clock[0])

    def silent(url: str) -> dict[str, Any]:
        if clock[0] > 1000:
            asked.set()
            answers.wait(30)
        return publisher(url)

    keys = IssuerKeys(ISSUER, silent)
    verify_with(keys, sign())
    clock[0] += 7200
    first = Thread(target=keys.find, args=(sign(),))
    first.start()
    assert asked.wait(10)
    verify_with(keys, sign())
    assert first.is_alive()
    answers.set()
    first.join(10)
