"""Attacks on where an answer goes: R01 to R19."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from httpx2 import Response

from idp.clients.rules import SHOWN_OR_CALLED, AuthMethod, Profile
from idp.inventory import ROUTES
from tests.idp.attacks.refusals import check_error, check_page, check_quiet, new_client, one_refusal, soon
from tests.idp.conftest import APP, House
from tests.idp.signed import CB, Rp, now, register_rp
from tests.idp.walk import answer_of, ask, begin, follow, read_form, send_form

EVIL = "https://evil.test/cb"


@dataclass(frozen=True)
class Sender:
    """A client with every way to ask, and the browser of a person who is signed in."""

    rp: Rp
    person: Any

    def object(self, params: dict[str, Any]) -> dict[str, str]:
        claims = {"iss": self.rp.id, "aud": self.rp.issuer, "exp": now() + 60} | params
        return {"client_id": self.rp.id, "request": self.rp.key.sign(claims)}


@pytest.fixture(scope="module")
def sender(standing: House, person: Any) -> Sender:
    plain: dict[str, Any] = {"profile": Profile.PLAIN, "dpop_bound": False, "require_pkce": False, "jwks_uri": ""}
    return Sender(register_rp(standing, standing.machine(), **plain), person)


WAYS: dict[str, Callable[[Sender, dict[str, Any]], Response]] = {
    "get": lambda s, params: s.person.get("/authorize", params=params),
    "post": lambda s, params: s.person.post("/authorize", data=params),
    "par": lambda s, params: s.rp.post("/par", params, dpop=None),
    "object": lambda s, params: s.person.get("/authorize", params=s.object(params)),
    "pushed-object": lambda s, params: s.rp.post("/par", s.object(params), dpop=None),
}
every_way = pytest.mark.parametrize("way", WAYS)


def check_refused(house: House, sender: Sender, way: str, **changes: str | None) -> None:
    """Told to the person or to the client, and sent nowhere."""
    params = sender.rp.asked(**changes)
    pushed = way in ("par", "pushed-object")
    with one_refusal(house, "refused.par" if pushed else "refused.authorization-request-refused"):
        answer = WAYS[way](sender, params)
    if pushed:
        check_error(answer, 400, "invalid_request", "invalid_request_object")
    else:
        check_page(answer)
        assert not re.search(r"""(href|src|action|url)=.?(https?:)?[/\\]{2}""", answer.text), "a link that leads outside"


@every_way
def test_the_ways_are_open_to_the_honest(house: House, sender: Sender, way: str) -> None:
    answer = WAYS[way](sender, sender.rp.asked())
    assert answer.status_code in (201, 303), answer.text
    assert "error" not in answer.headers.get("location", "")


R01 = (
    "https://rp.example.test@evil.test/cb",
    "https://rp.example.test:443@evil.test/cb",
    "https://a@b@rp.example.test@evil.test/cb",
    "https://evil.test@rp.example.test/cb",
    "https://rp.example.test%40evil.test/cb",
)
R02 = (
    "https://rp.example.test.evil.test/cb",
    "https://rp.example.testfoo/cb",
    "https://rp.example.test/cbx",
    "https://rp.example.test/cb/x",
    "https://rp.example.test/",
    "https://sub.rp.example.test/cb",
)
R03 = (
    "https://rp.example.test/cb/..;/x",
    "https://rp.example.test/cb/%2e%2e/",
    "https://rp.example.test/cb/%252e%252e/",
    "https://rp.example.test/x/../cb",
    "https://rp.example.test/cb//",
    "https://rp.example.test/cb/",
    "https://rp.example.test//cb",
    "https://rp.example.test./cb",
    "https://rp.example.test/CB",
    "HTTPS://rp.example.test/cb",
    "https://RP.example.test/cb",
    "https://rp.example.test:443/cb",
    "https://rp.example.test/c%62",
    "https://rp.example.test/cb%00",
    "https://rp.example.test/cb#",
    "https://rp.example.test/cb?",
    " https://rp.example.test/cb",
    "https://rp.example.test/cb\n",
)
R06 = (
    "https:evil.test",
    "https:/evil.test",
    "//evil.test",
    "\\\\evil.test",
    "/\\evil.test",
    "/cb",
    "https:\\\\evil.test",
    "///evil.test",
)
R13 = ("http://localhost:80@evil.test/cb", "http://127.0.0.1@evil.test/cb", "http://localhost/cb", "http://rp.example.test/cb")
R14 = (
    "http://[not-an-ip]/",
    "http://[fe80::1%25eth0]/cb",
    "https://rp.example.test:99999999/cb",
    "https://[::/cb",
    "https://",
    "x" * 1999,
)


@every_way
def test_r01_user_information_in_the_address(house: House, sender: Sender, way: str) -> None:
    for uri in R01:
        check_refused(house, sender, way, redirect_uri=uri)


@every_way
def test_r02_a_registered_address_is_no_prefix(house: House, sender: Sender, way: str) -> None:
    for uri in R02:
        check_refused(house, sender, way, redirect_uri=uri)


@every_way
def test_r03_an_address_that_only_means_the_same(house: House, sender: Sender, way: str) -> None:
    for uri in R03:
        check_refused(house, sender, way, redirect_uri=uri)


@pytest.mark.parametrize("way", ["get", "post"])
def test_r04_only_the_port_of_a_loopback_address_may_differ(house: House, person: Any, way: str) -> None:
    def send(client_id: str, uri: str) -> Response:
        params = ask(client_id=client_id, redirect_uri=uri)
        return person.get("/authorize", params=params) if way == "get" else person.post("/authorize", data=params)

    assert send("native", "http://127.0.0.1:51004/cb").status_code == 303
    wrong = (
        "127.0.0.1:5/other",
        "localhost:5/cb",
        "127.0.0.2:5/cb",
        "[::1]:5/cb",
        "127.0.0.1:5/cb?x",
        "127.0.0.1.evil.test/cb",
    )
    for uri in (*(f"http://{one}" for one in wrong), "https://127.0.0.1/cb", "http://127.1/cb", "http://0x7f.1/cb"):
        check_page(send("native", uri))
    for uri in ("http://localhost:8501/cb", "http://127.0.0.1:8500/cb"):  # only native applications choose their port
        check_page(send("spa", uri))


BAD_ADDRESSES = (
    *(
        "JavaScript:alert(1)",
        "DATA:text/html,x",
        "vbscript:x",
        "java\tscript:alert(1)",
        "java\nscript:alert(1)",
        " javascript:x",
    ),
    *(
        "\x01javascript:x",
        "javascript:https://rp.example.test/",
        "file:///etc/passwd",
        "blob:https://rp.example.test/x",
        "ftp://x.test/",
    ),
)


def register(house: House, **metadata: Any) -> Response:
    sent = {"authorization": f"Bearer {house.filled.initial_token}"}
    return house.machine().post("/register", json={"redirect_uris": [CB]} | metadata, headers=sent)


@pytest.mark.parametrize("member", [*SHOWN_OR_CALLED, "redirect_uris", "post_logout_redirect_uris", "request_uris"])
def test_r05_an_address_that_is_a_script_cannot_be_registered(house: House, member: str) -> None:
    for uri in BAD_ADDRESSES:
        for kind in ("web", "native"):
            with one_refusal(house, "refused.registration"):
                answer = register(house, **{member: [uri] if member.endswith("uris") else uri}, application_type=kind)
            check_error(answer, 400, "invalid_redirect_uri", "invalid_client_metadata")


@every_way
def test_r06_an_address_that_browsers_complete(house: House, sender: Sender, way: str) -> None:
    for uri in R06:
        check_refused(house, sender, way, redirect_uri=uri)


def test_r07_a_registered_address_is_no_pattern(house: House, person: Any) -> None:
    client_id, _ = new_client(house, redirect_uris=("https://foo.example.test/c.b", "https://foo.example.test/(a%7Cb)+", APP))
    for uri in (
        "https://fooXexample.test/c.b",
        "https://foo.example.test/cXb",
        "https://foo.example.test/a",
        f"{APP}/x",
        ".",
        ".*",
    ):
        check_page(person.get("/authorize", params=ask(client_id=client_id, redirect_uri=uri)))


@every_way
@pytest.mark.parametrize(
    "changes", [{"response_type": "token"}, {"response_type": None}, {"scope": "profile"}, {"scope": None}], ids=str
)
def test_r08_an_error_never_goes_to_an_address_that_was_not_checked(
    house: House, sender: Sender, way: str, changes: dict[str, str | None]
) -> None:
    check_refused(house, sender, way, redirect_uri=EVIL, **changes)
    check_refused(house, sender, way, redirect_uri=None, **changes)


@every_way
def test_r09_no_mode_of_response_goes_to_an_unregistered_address(house: House, sender: Sender, way: str) -> None:
    for mode in ("form_post", "fragment", "query", "jwt", "query.jwt", "fragment.jwt", "form_post.jwt", "x"):
        check_refused(house, sender, way, redirect_uri=EVIL, response_mode=mode)


@pytest.mark.parametrize(
    "name", ["redirect_uri", "client_id", "scope", "state", "response_type", "code_challenge", "request", "prompt"]
)
def test_r10_a_parameter_comes_once(house: House, sender: Sender, name: str) -> None:
    params = sender.rp.asked() | ({name: "x"} if name in ("request", "prompt") else {})
    for second in (params.get(name, ""), EVIL):
        pairs = [*params.items(), (name, second)]
        with one_refusal(house, "refused.authorization-request-refused"):
            check_page(sender.person.get("/authorize", params=pairs))
        text = str(sender.person.get("/authorize", params=pairs).request.url).partition("?")[2]
        form = {"content-type": "application/x-www-form-urlencoded"}
        with one_refusal(house, "refused.authorization-request-refused"):
            check_page(sender.person.post("/authorize", content=text, headers=form))
        with one_refusal(house, "refused.par"):
            check_error(house.machine().post("/par", content=text, headers=form), 400, "invalid_request")


def test_r10_an_object_holds_a_parameter_once(house: House, sender: Sender) -> None:
    """Also in JSON, where one reader would take the first and another the last."""
    from tests.idp.attacks.jose import Signer

    signer = Signer(sender.rp.key.private, "ES256", {"alg": "ES256", "kid": sender.rp.key.jkt})
    claims = json.dumps({"iss": sender.rp.id, "aud": sender.rp.issuer, "exp": now() + 60} | sender.rp.asked())
    token = signer.raw(claims.replace('{"iss"', '{"redirect_uri":"https://evil.test/cb","iss"').encode())
    with one_refusal(house, "refused.authorization-request-refused"):
        check_page(sender.person.get("/authorize", params={"client_id": sender.rp.id, "request": token}))


def test_r11_no_fragment_can_be_registered(house: House) -> None:
    for uri in (f"{CB}#f", f"{CB}#", "vn.example.app:/cb#x"):
        check_error(register(house, redirect_uris=[uri]), 400, "invalid_redirect_uri")
        check_error(register(house, redirect_uris=[uri], application_type="native"), 400, "invalid_redirect_uri")


def test_r12_the_query_of_an_address_is_part_of_it(house: House, person: Any) -> None:
    client_id, _ = new_client(house, redirect_uris=(f"{APP}/cb?a=1",))
    for query in ("a=2", "a=1&b=2", "b=2&a=1", "a=1&a=1", "a=%31", "a=1&", "A=1", ""):
        check_page(person.get("/authorize", params=ask(client_id=client_id, redirect_uri=f"{APP}/cb?{query}")))
    answer = person.get("/authorize", params=ask(client_id=client_id, redirect_uri=f"{APP}/cb?a=1"))
    assert answer.headers["location"].startswith(f"{APP}/cb?a=1&code=")


@every_way
def test_r13_an_insecure_address_is_never_taken(house: House, sender: Sender, way: str) -> None:
    for uri in R13:
        check_refused(house, sender, way, redirect_uri=uri)
        if "localhost/" not in uri:
            check_error(register(house, redirect_uris=[uri]), 400, "invalid_redirect_uri")


@every_way
def test_r14_an_address_that_breaks_readers(house: House, sender: Sender, way: str) -> None:
    for uri in R14:
        check_refused(house, sender, way, redirect_uri=uri)
        check_error(register(house, redirect_uris=[uri]), 400, "invalid_redirect_uri", "invalid_client_metadata")
    with soon():
        answer = WAYS[way](
            sender,
            sender.rp.asked(
                redirect_uri="https://rp.example.test/" + "a" * (40_000 if way in ("get", "object") else 2_000_000)
            ),
        )
    assert answer.status_code in (400, 413)
    check_quiet(answer)


SCRIPT = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"


@pytest.mark.parametrize(
    "place", ["state", "nonce", "login_hint", "ui_locales", "error_description", "claims", "acr_values", "client_id"]
)
@pytest.mark.parametrize("mode", ["query", "form_post"])
def test_r15_script_in_a_parameter_stays_text(house: House, place: str, mode: str) -> None:
    for prompt in ("login", "none"):
        browser = house.browser()
        page = browser.get("/authorize", params=ask(**{place: SCRIPT}, response_mode=mode, prompt=prompt))
        while page.headers.get("location", "").startswith("/"):
            page = browser.get(page.headers["location"])
        assert "<script>alert" not in page.text
        assert "<img src=x" not in page.text
        assert "unsafe-inline" not in page.headers["content-security-policy"].partition("script-src")[2]
        assert "<" not in page.headers.get("location", "")


def test_r15_script_in_a_registered_name_stays_text(house: House) -> None:
    told = register(house, client_name=SCRIPT, token_endpoint_auth_method="none").json()
    browser = house.browser()
    page = begin(browser, client_id=told["client_id"], redirect_uri=CB)
    page = follow(browser, send_form(browser, page, username=f"hanhnth{SCRIPT}"))
    assert "<script>alert" not in page.text
    page = follow(browser, send_form(browser, page, password=SCRIPT))
    assert "&lt;script&gt;alert(1)" in page.text, "it is shown, as text"
    assert "<script>alert" not in page.text


@every_way
def test_r16_without_a_session_an_error_goes_to_the_registered_address_only(house: House, sender: Sender, way: str) -> None:
    stranger = Sender(sender.rp, house.browser())
    answer = WAYS[way](stranger, sender.rp.asked(prompt="none"))
    if answer.status_code == 201:
        pushed = {"client_id": sender.rp.id, "request_uri": answer.json()["request_uri"]}
        answer = stranger.person.get("/authorize", params=pushed)
    answer = follow(stranger.person, answer)
    assert answer.headers["location"].startswith(f"{CB}?")
    assert answer_of(answer)["error"] == "login_required"
    check_refused(house, stranger, way, redirect_uri=EVIL, prompt="none")


def test_r17_credentials_are_never_sent_on(house: House) -> None:
    browser = house.browser()
    page = begin(browser)
    answers = [send_form(browser, page, username="hanhnth")]
    answers.append(send_form(browser, follow(browser, answers[0]), password="wrong"))
    answers.append(send_form(browser, answers[1], password="mot-cau-ngan-de-nho"))
    answers.append(browser.get(answers[2].headers["location"]))
    assert [one.status_code for one in answers] == [303, 401, 303, 303]
    assert all("password=" not in one.headers.get("location", "") for one in answers)


def test_r18_no_page_can_be_framed(house: House, person: Any) -> None:
    seen = 0
    pages = [person.get(route.path) for route in ROUTES if "GET" in route.methods and "{" not in route.path]
    pages += [begin(person, prompt="login"), begin(house.browser()), person.get("/authorize"), person.get("/nowhere")]
    pages.append(person.get("/authorize", params=ask(response_mode="form_post")))
    for page in pages:
        framed_on_purpose = str(page.request.url).endswith("/check_session")
        if page.headers.get("content-type", "").startswith("text/html") and not framed_on_purpose:
            seen += 1
            assert "frame-ancestors 'none'" in page.headers["content-security-policy"], page.request.url
            assert page.headers["x-frame-options"] == "DENY"
            assert page.headers["x-content-type-options"] == "nosniff"
    assert seen > 8


@pytest.mark.parametrize("mode", ["query", "fragment", "form_post"])
def test_r19_an_answer_is_neither_kept_nor_told_to_others(house: House, person: Any, mode: str) -> None:
    for prompt in ("none", "create"):  # an answer, and an error
        answer = person.get("/authorize", params=ask(response_mode=mode, prompt=prompt))
        assert (answer.headers["referrer-policy"], answer.headers["cache-control"]) == ("no-referrer", "no-store")


@pytest.mark.parametrize("suffix", ["/x.css", "/x.js", ";x.css", "%2fx.css", "/..;/x.css", "%00.css", "%0ax.css"])
def test_r19_a_page_under_a_name_that_caches_keep(house: House, person: Any, suffix: str) -> None:
    for route in ROUTES:
        if "GET" in route.methods and "{" not in route.path and route.path not in ("/", "/static", "/static/fonts"):
            answer = person.get(route.path + suffix)
            assert (answer.status_code, answer.headers["cache-control"]) in ((404, "no-store"), (401, "no-store")), route.path
    assert read_form(person.get("/password"))[0] == "/password"
    assert person.get("/password").headers["cache-control"] == "no-store"


def test_r19_a_public_client_may_not_have_its_answer_read_elsewhere(house: House) -> None:
    client_id, _ = new_client(house, auth_method=AuthMethod.NONE)
    answer = house.machine().get("/authorize", params=ask(client_id=client_id), headers={"origin": APP})
    assert "access-control-allow-origin" not in answer.headers
