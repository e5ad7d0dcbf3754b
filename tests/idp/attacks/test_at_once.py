"""Attacks by many hands at once, over sockets: C01 and C09."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from tests.conformance.browser import Browser
from tests.conformance.conftest import Served, serve
from tests.idp.conftest import APP, Template, copy_of
from tests.idp.walk import VERIFIER, ask

AT_ONCE = 50


@pytest.fixture(scope="module")
def served(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with copy_of(template.url, tmp_path_factory.mktemp("served")) as url, serve(url, template.filled) as house:
        yield house


@pytest.fixture(scope="module")
def browser(served: Served) -> Iterator[Browser]:
    browser = Browser(served.issuer)
    browser.go(f"/authorize?{httpx2.QueryParams(ask())}").sign_in()
    yield browser
    browser.http.close()


@pytest.fixture(scope="module")
def many(served: Served) -> Iterator[Callable[..., list[httpx2.Response]]]:
    """The same form sent to /token by so many at once."""
    auth = ("web", served.filled.web_secret)
    limits = httpx2.Limits(max_connections=AT_ONCE)
    with (
        httpx2.Client(base_url=served.issuer, trust_env=False, timeout=30, limits=limits) as http,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):

        def send(times: int = AT_ONCE, path: str = "/token", **form: str) -> list[httpx2.Response]:
            return list(pool.map(lambda _: http.post(path, data=form, auth=auth), range(times)))

        yield send


def code_of(browser: Browser) -> str:
    return browser.go(f"/authorize?{httpx2.QueryParams(ask())}").landed().params["code"]


def answers(found: list[httpx2.Response]) -> tuple[list[dict[str, Any]], list[str]]:
    return [one.json() for one in found if one.status_code == 200], [
        one.json()["error"] for one in found if one.status_code == 400
    ]


def active(many: Callable[..., list[httpx2.Response]], token: str) -> bool:
    told: bool = many(1, path="/introspect", token=token)[0].json()["active"]
    return told


def test_c01_of_fifty_who_bring_a_code_at_once_one_is_served(served: Served, browser: Browser, many: Any) -> None:
    before = len(served.acts())
    code = {
        "grant_type": "authorization_code",
        "redirect_uri": f"{APP}/cb",
        "code_verifier": VERIFIER,
        "code": code_of(browser),
    }
    good, refused = answers(many(**code))
    assert (len(good), refused) == (1, ["invalid_grant"] * (AT_ONCE - 1))
    assert not active(many, good[0]["access_token"])
    assert not active(many, good[0]["refresh_token"])
    acts = served.acts()[before:]
    assert acts.count("refused.token") == acts.count("code.reused") == AT_ONCE - 1
    assert acts.count("grant.revoked") == 1


def test_c01_a_code_that_comes_twice_in_turn(served: Served, browser: Browser, many: Any) -> None:
    code = {
        "grant_type": "authorization_code",
        "redirect_uri": f"{APP}/cb",
        "code_verifier": VERIFIER,
        "code": code_of(browser),
    }
    got = many(1, **code)[0].json()
    assert active(many, got["access_token"])
    fresh = many(1, grant_type="refresh_token", refresh_token=got["refresh_token"])[0].json()
    assert many(1, **code)[0].json()["error"] == "invalid_grant"
    assert not any(active(many, one[name]) for one in (got, fresh) for name in ("access_token", "refresh_token"))


def test_c09_uses_at_once_within_the_grace_get_the_same_successor(served: Served, browser: Browser, many: Any) -> None:
    code = {
        "grant_type": "authorization_code",
        "redirect_uri": f"{APP}/cb",
        "code_verifier": VERIFIER,
        "code": code_of(browser),
    }
    first = many(1, **code)[0].json()["refresh_token"]
    good, refused = answers(many(12, grant_type="refresh_token", refresh_token=first))
    assert (len(good), refused) == (12, [])
    assert len({one["refresh_token"] for one in good}) == 1
    assert len({one["access_token"] for one in good}) == 12
    assert active(many, good[0]["access_token"])
    with served.meanwhile(seconds=11):
        good_again, refused = answers(many(12, grant_type="refresh_token", refresh_token=first))
        assert (good_again, set(refused)) == ([], {"invalid_grant"})
        assert not active(many, good[0]["access_token"])
        assert served.acts().count("refresh-token.reused") >= 1
