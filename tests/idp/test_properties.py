"""Whatever is sent: answers go to registered addresses only, order does not count, and nothing is a bug."""

import os
import random
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from idp.inventory import ROUTES
from tests.idp.attacks.conftest import house, person, standing
from tests.idp.attacks.refusals import check_quiet, new_client
from tests.idp.conftest import APP, House
from tests.idp.walk import VERIFIER, ask, code_for

__all__ = ["house", "person", "standing"]
THOROUGH = os.environ.get("PROPERTIES") == "thorough"
pytestmark = [pytest.mark.timeout(3600)] if THOROUGH else []


def examples(number: int) -> Any:
    return settings(
        max_examples=number * 50 if THOROUGH else number,
        deadline=None,
        derandomize=not THOROUGH,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


REGISTERED = ("https://app.example.test/cb", "https://app.example.test/cb?a=1", "http://127.0.0.1:8500/x", "http://[::1]/cb")
PIECES = (
    "@evil.test",
    ".evil.test",
    "/..",
    "//",
    "\\",
    "%2f",
    "%00",
    "?",
    "#",
    ":",
    "*",
    " ",
    "\t",
    "é",
    "a=1",
    "&a=2",
    "/",
    ";",
    "[",
)


@st.composite
def near(draw: st.DrawFn) -> str:
    """An address that differs from a registered one in a place or two."""
    uri = draw(st.sampled_from(REGISTERED))
    for _ in range(draw(st.integers(1, 2))):
        at = draw(st.integers(0, len(uri)))
        piece = draw(st.sampled_from(PIECES) | st.text(max_size=3))
        uri = uri[:at] + piece + uri[at + draw(st.integers(0, 2)) :]
    return uri.swapcase() if draw(st.integers(0, 9)) == 0 else uri


@pytest.fixture(scope="module")
def client(standing: House) -> str:
    return new_client(standing, redirect_uris=REGISTERED)[0]


def test_an_answer_goes_to_a_registered_address_and_nowhere_else(house: House, person: Any, client: str) -> None:
    seen: set[bool] = set()

    @examples(60)
    @given(
        uri=near() | st.sampled_from(REGISTERED),
        changes=st.dictionaries(st.sampled_from(["scope", "prompt", "state"]), st.text()),
    )
    def check(uri: str, changes: dict[str, str]) -> None:
        answer = person.post("/authorize", data=ask(client_id=client, redirect_uri=uri, **changes))
        location = answer.headers.get("location", "")
        seen.add(bool(location))
        if location and not location.startswith("/"):
            assert uri in REGISTERED, uri
            assert location.startswith(f"{uri}{'&' if '?' in uri else '?'}")
            assert location.isascii()
        elif not location:
            assert answer.status_code == 400
        else:
            assert uri in REGISTERED
            assert urlsplit(location).path in ("/login", "/consent", "/authorize")

    check()
    assert seen == {True, False}


def test_order_does_not_count_and_what_comes_twice_is_refused(house: House, person: Any) -> None:
    @examples(25)
    @given(seed=st.randoms(use_true_random=False), twice=st.sampled_from([None, *ask()]), other=st.text(max_size=5))
    @example(seed=random.Random(1), twice=None, other="\0")  # noqa: S311
    def check(seed: random.Random, twice: str | None, other: str) -> None:
        pairs = [*ask(prompt="none").items(), ("unknown", other), ("code", other)]
        if twice:
            pairs.append((twice, seed.choice([other, dict(pairs)[twice]])))
        seed.shuffle(pairs)
        answer = person.get("/authorize", params=pairs)
        refused = twice is not None or "\0" in other  # a sign that no parameter may hold, known or not
        if refused:
            assert (answer.status_code, answer.headers.get("location")) == (400, None)
        else:
            assert answer.headers["location"].startswith(f"{APP}/cb?code=")
        form = {"grant_type": "authorization_code", "redirect_uri": f"{APP}/cb", "code_verifier": VERIFIER, "x": other}
        sent = [*form.items(), ("code", code_for(house, person)), *([("code", "x")] if twice else [])]
        seed.shuffle(sent)
        told = house.machine().post("/token", data=_grouped(sent), auth=("web", house.filled.web_secret))
        assert told.status_code == (400 if refused else 200), told.text

    check()


def _grouped(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


NAMES = st.sampled_from(
    [
        *(
            "client_id",
            "redirect_uri",
            "request",
            "request_uri",
            "scope",
            "claims",
            "max_age",
            "id_token_hint",
            "login_hint",
            "token",
        ),
        *("grant_type", "code", "client_assertion", "client_assertion_type", "resource", "authorization_details", "form_token"),
        *(
            "user_code",
            "state",
            "post_logout_redirect_uri",
            "lang",
            "session",
            "subject_token",
            "access_token",
            "username",
            "password",
        ),
    ]
)
VALUES = (
    st.text(max_size=40)
    | st.binary(max_size=20).map(lambda data: data.decode("latin-1"))
    | st.sampled_from(["web", "{", "null", "[]"])
)
FORMS = st.dictionaries(NAMES, VALUES, max_size=8)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["authorization", "dpop", "cookie", "content-type", "accept", "accept-language", "origin", "sec-fetch-site"]
    ),
    st.binary(max_size=40).map(lambda data: data.replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"")),
    max_size=3,
)
BODIES = st.binary(max_size=200) | st.recursive(st.none() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)).map(
    repr
)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{'+'.join(route.methods)} {route.path}")
def test_nothing_that_is_sent_is_a_bug(house: House, person: Any, route: Any) -> None:
    url = route.path.format(client_id="web")

    @examples(6 if house.db.is_sqlite else 3)
    @given(method=st.sampled_from(route.methods), form=FORMS, headers=HEADERS, body=st.none() | BODIES, signed_in=st.booleans())
    def check(method: str, form: dict[str, str], headers: dict[str, bytes], body: Any, signed_in: bool) -> None:
        browser = person if signed_in else house.browser()
        sent: dict[str, Any] = {"headers": headers}
        if method in ("POST", "PUT"):
            sent |= {"content": body} if body is not None else {"data": form}
        answer = browser.request(method, url, params=form, **sent)
        assert answer.status_code < 500
        check_quiet(answer)

    check()
