"""The inventory of routes is complete, and every line of it holds."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy import cli
from deploy.inventory import mounted, routes
from idp.inventory import ROUTES, Guard, Route, Who
from meetings.settings import MeetingsSettings
from tests.idp.attacks.conftest import house, person, standing
from tests.idp.attacks.refusals import check_quiet, one_refusal
from tests.idp.conftest import ISSUER, House
from tests.idp.walk import begin, read_form

__all__ = ["house", "person", "standing"]
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "DEBUG", "__INIT__")
OWN_FORMS = [route for route in ROUTES if route.guard is Guard.OWN_FORM]
ALL = [(method, route) for route in ROUTES for method in route.methods]


def named(value: Any) -> str:
    return value.path if isinstance(value, Route) else str(value)


def url(route: Route) -> str:
    return route.path.format(client_id="web")


def test_every_route_has_its_line_and_every_line_its_route(house: House) -> None:
    direct = set(house.app.state.service.direct)
    behind = {(method, path) for method, path, _ in mounted(house.app)}
    listed = {("*" if route.path.startswith("/static") else method, route.path) for method, route in ALL}
    why = "each route needs its line in idp/inventory.py: who may call it, and what guards it?"
    assert {(method, path) for method, path in listed if path not in direct} == behind, why
    assert direct <= {path for _, path in listed}, why


@pytest.mark.parametrize("path", sorted({route.path for route in ROUTES}))
def test_a_method_without_a_line_is_refused(house: House, path: str) -> None:
    allowed = {method for route in ROUTES if route.path == path for method in route.methods}
    machine = house.machine()
    for method in METHODS:
        target = path.format(client_id="web") + ("/style.css" if path == "/static" else "")
        answer = machine.request(method, target)
        if method in allowed:
            assert answer.status_code != 405, method
        else:
            assert answer.status_code in ((404, 405) if path.startswith("/static") else (405,)), method
            check_quiet(answer)


FOREIGN: list[tuple[dict[str, str], bool]] = [
    ({"sec-fetch-site": "cross-site"}, True),
    ({"sec-fetch-site": "same-site"}, True),
    ({"sec-fetch-site": "none"}, True),
    ({"origin": "https://evil.test"}, True),
    ({"origin": "null"}, True),
    ({"origin": f"{ISSUER}.evil.test"}, True),
    ({"sec-fetch-site": "cross-site", "origin": ISSUER}, True),
    ({"sec-fetch-site": "same-origin"}, False),
    ({}, False),
]


@pytest.mark.parametrize("route", OWN_FORMS, ids=named)
def test_a_form_of_another_site_is_refused(house: House, person: Any, route: Route) -> None:
    """The browser sends its cookies along, as one that knows no SameSite would."""
    page = begin(person, prompt="login") if route.path.startswith("/login") else person.get("/password")
    token = read_form(page)[1]["form_token"]
    query = begin(person, prompt="login").request.url.query.decode()
    for headers, with_token in FOREIGN:
        form = {"username": "hanhnth", "password": "x", "decision": "allow", "form_token": token if with_token else "0" * 64}
        with one_refusal(house, "refused.cross-site"):
            answer = person.post(f"{route.path}?{query}", data=form, headers=headers)
        assert (answer.status_code, "problem-cross-site" in answer.text) == (403, True), (headers, with_token)
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("route", [one for one in ROUTES if one.guard is Guard.BEGINS], ids=named)
def test_what_only_begins_changes_nothing(house: House, person: Any, route: Route) -> None:
    before, sent_from = house.acts(), {"sec-fetch-site": "cross-site", "origin": "https://evil.test"}
    for method in route.methods:
        person.request(method, route.path, headers=sent_from)
    assert all(act.startswith("refused.") for act in house.acts()[len(before) :])
    assert person.get("/").status_code == 200, "still signed in"


BY_BEARER = {Who.BEARER: "userinfo", Who.REGISTRAR: "registration", Who.REGISTERED: "registration"}


WITHOUT: list[dict[str, str]] = [
    {},
    *({"authorization": sent} for sent in ("Bearer", "Bearer ", "Bearer x", "Bearer " + "x" * 9000, "Basic d2ViOng=")),
    {"cookie": "access_token=x"},
]


@pytest.mark.parametrize("route", [one for one in ROUTES if one.who in BY_BEARER], ids=named)
def test_a_bearer_route_needs_its_token(house: House, route: Route) -> None:
    for method in set(route.methods) - {"OPTIONS"}:
        for sent in WITHOUT:
            with one_refusal(house, f"refused.{BY_BEARER[route.who]}"):
                answer = house.machine().request(method, url(route), headers=sent)
            assert (answer.status_code, answer.headers["www-authenticate"].partition(" ")[0]) == (401, "Bearer"), (method, sent)
            check_quiet(answer)


@pytest.mark.parametrize("route", [one for one in ROUTES if one.who is Who.CLIENT], ids=named)
def test_a_client_endpoint_needs_the_clients_credentials(house: House, route: Route) -> None:
    secret = house.filled.web_secret
    form = {"grant_type": "client_credentials", "token": "x", "scope": "openid", "login_hint": "hanhnth"}
    tries: list[dict[str, Any]] = [
        {"data": form},
        {"data": form | {"client_id": "web"}},
        {"data": form | {"client_id": "web", "client_secret": secret}},  # registered for Basic
        {"data": form | {"client_id": "other"}, "auth": ("web", secret)},
        {"data": form, "auth": ("web", "wrong")},
        {"data": form, "auth": ("nobody", secret)},
        {"data": form | {"client_secret": secret}, "auth": ("web", secret)},
        {"data": form | {"client_id": "spa", "client_secret": "x"}},
        {"data": form, "headers": [("authorization", "Basic d2ViOng="), ("authorization", "Basic d2ViOng=")]},
    ]
    if len(route.by) < 6:
        tries.append({"data": form | {"client_id": "spa"}})  # a public client proves nothing
    for arguments in tries:
        with one_refusal(house, f"refused.{route.path[1:].replace('_', '-')}"):
            answer = house.machine().post(route.path, **arguments)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), arguments
        check_quiet(answer)


STRANGE = ("x=1&x=2", "request=a&request=b", "client_id=" + "é" * 3000, "&" * 200, "%00=%00", "state=%ff%fe", "lang=%00")


@pytest.mark.parametrize("route", ROUTES, ids=named)
def test_strange_parameters_break_nothing(house: House, person: Any, route: Route) -> None:
    for method in route.methods:
        for text in (*STRANGE, "request=" + "a" * 20_000):
            assert person.request(method, f"{url(route)}?{text}").status_code < 500, (method, text[:40])


FORM = "application/x-www-form-urlencoded"
STRANGE_FORMS = [
    *((FORM, text) for text in (b"x=1&x=2", b"form_token=1&form_token=2", b"\xff\xfe=\xff", b"&" * 300, b"x" * 60_000)),
    ("multipart/form-data; boundary=b", b"--b\r\n\r\n"),
    ("multipart/form-data", b"--b\r\n\r\n"),
    ("application/json", b'{"a":' * 9000),
    ("application/json", b'"\\ud800"'),
    ("", b"grant_type=client_credentials"),
]


@pytest.mark.parametrize("route", [one for one in ROUTES if {"POST", "PUT"} & set(one.methods)], ids=named)
def test_strange_forms_break_nothing(house: House, person: Any, route: Route) -> None:
    method = "POST" if "POST" in route.methods else "PUT"
    for kind, text in STRANGE_FORMS:
        answer = person.request(method, url(route), content=text, headers={"content-type": kind})
        assert answer.status_code < 500, text[:40]
        check_quiet(answer)
    assert person.request(method, url(route), content=b"x" * 70_000, headers={"content-type": FORM}).status_code == 413


def test_the_command_lists_both_services() -> None:
    told = json.loads(CliRunner().invoke(cli.app, ["routes", "--json", "--service", "idp"]).stdout)
    assert {"method": "POST", "path": "/consent", "who": Who.ASKER, "guard": Guard.OWN_FORM} in told
    assert "none" in next(line["by"] for line in told if line["path"] == "/token")
    lines = CliRunner().invoke(cli.app, ["routes", "--service", "meetings"]).stdout.splitlines()
    assert "POST    /api/bodies                                  an administrator; no cookie is read: an access token" in lines
    assert CliRunner().invoke(cli.app, ["routes", "--service", "mail"]).exit_code == 2


def test_every_route_of_meetings_is_listed(tmp_path: Path) -> None:
    from meetings.app import build

    settings = MeetingsSettings(
        public_url="https://hop.example",
        database_url=f"sqlite:///{tmp_path}/m.db",
        secret="0123456789abcdef" * 3,
        issuer=ISSUER,
        client_id="m",
        audience="a",
        storage_url=f"file://{tmp_path}",
    )
    there = {(method, path) for method, path, _ in mounted(build(settings)) if method != "*"}
    listed = {(line["method"], line["path"]) for line in routes("meetings")}
    assert there == listed
    open_to_all = {
        line["path"] for line in routes("meetings") if line["path"].startswith("/api/") and line["who"] == Who.ANYONE
    }
    assert open_to_all == {"/api/config", "/api/backchannel-logout", "/api/openapi.json"}
