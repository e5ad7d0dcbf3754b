"""The web app's files, and nothing beside them."""

import pytest

from meetings.pages import routes


@pytest.fixture
def built(tmp_path, monkeypatch):
    """A build of the web app, in a folder of its own."""
    (tmp_path / "static" / "assets").mkdir(parents=True)
    (tmp_path / "static" / "index.html").write_text("<!doctype html><title>Diên Hồng</title>")
    (tmp_path / "static" / "sw.js").write_text("1")
    (tmp_path / "static" / "assets" / "index-Ab12_-9Z.js").write_text("1")
    (tmp_path / "static" / "assets" / "icon.svg").write_text("<svg/>")
    (tmp_path / "secret.txt").write_text("secret")
    monkeypatch.setattr(routes, "STATIC", tmp_path / "static")


SCREENS = [
    "/",
    "/m/abc/papers",
    "/wall",
    "/wall/abc",
    "/wall/abc/bridges",
    "/check-in/abc",
    "/new",
    "/bodies",
    "/bodies/x/y",
    "/signed-in",
]


@pytest.mark.parametrize("path", SCREENS)
def test_every_address_of_a_screen_is_the_one_page(web, built, path):
    answer = web.client.get(path)
    assert (answer.status_code, "Diên Hồng" in answer.text) == (200, True)
    assert answer.headers["cache-control"] == "no-cache"
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert "unsafe-eval'" not in answer.headers["content-security-policy"].replace("'wasm-unsafe-eval'", "")


def test_what_has_its_hash_in_its_name_is_kept_for_good(web, built):
    hashed, plain = (web.client.get(f"/assets/{name}") for name in ("index-Ab12_-9Z.js", "icon.svg"))
    assert hashed.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert plain.headers["cache-control"] == "no-cache"


def test_the_service_worker_is_asked_for_anew_at_every_start(web, built):
    answer = web.client.get("/sw.js")
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "default-src 'self'" in answer.headers["content-security-policy"]


OUTSIDE = ["nothing.js", "../index.html", "../../secret.txt", "..%2f..%2fsecret.txt", "%2e%2e/%2e%2e/secret.txt", "/etc/passwd"]


@pytest.mark.parametrize("path", [*OUTSIDE, "", "%00", "a" * 5000], ids=range(9))
def test_nothing_else_is_given_out(web, built, path):
    answer = web.client.get(f"/assets/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


def test_a_person_at_an_address_that_is_none_gets_a_page_and_a_program_the_problem(web, built):
    person = web.client.get("/nothing", headers={"accept": "text/html,*/*;q=0.8"})
    assert (person.status_code, "Diên Hồng" in person.text) == (404, True)
    for path, accept in (("/nothing", "*/*"), ("/api/nothing", "text/html")):
        program = web.client.get(path, headers={"accept": accept})
        assert (program.status_code, program.json()["code"]) == (404, "not-found")
