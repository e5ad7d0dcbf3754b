"""What holds for the identity provider as a whole: words, migrations, keys, names, fonts."""

import re
from datetime import timedelta
from pathlib import Path

import jwt
import pytest
from cryptography.exceptions import InvalidTag
from sqlalchemy import inspect

from idp.accounts.actions import create_account, new_password
from idp.accounts.problems import BadUsername, UsernameTaken
from idp.accounts.rules import checked_password, readable_password
from idp.keys.actions import _open, ensure_keys, published, rotate_keys
from idp.keys.models import StoredKey
from idp.keys.sealing import seal, unseal
from idp.login.models import AuthorizationRequest
from idp.oidc.sweeping import SWEEP, sweep
from idp.pages import page
from idp.pages.fonts import FONT_FILES
from idp.settings import IdpSettings
from shared import clock, migrate, words
from shared.db import forget
from shared.jobs import MAX_TRIES, Job, enqueue
from shared.problems import Problem
from tests.idp.conftest import House
from tests.idp.test_floods import wait_until
from tests.idp.walk import begin, tokens, who

PAGES = Path(words.__file__).parent.parent / "idp" / "pages"


def all_problems(kind: type[Problem] = Problem) -> set[type[Problem]]:
    return {kind} | {found for child in kind.__subclasses__() for found in all_problems(child)}


def test_both_languages_have_the_same_words_with_the_same_facts() -> None:
    vi, en = (words.catalogue(language, ("idp",)) for language in words.LANGUAGES)
    assert vi.keys() == en.keys()
    for key in vi:
        assert set(re.findall(r"{(\w+)}", vi[key])) == set(re.findall(r"{(\w+)}", en[key])), key
        assert "bạn" not in vi[key].lower().split()
        assert "!" not in vi[key] + en[key]


def test_every_refusal_has_words_and_every_word_is_used() -> None:
    known = words.catalogue("vi", ("idp", "shared"))
    codes = {problem.code for problem in all_problems() if problem.__module__.startswith("idp.")}
    assert {f"problem.{code}" for code in codes} <= known.keys()
    text = "".join(path.read_text() for path in (PAGES / "templates").glob("*.html"))
    prefixes = ("problem.", "scope.", "signed-out.", "details.", "factor.done.", "client.")
    unused = {
        key
        for key in words.catalogue("vi", ("idp",))
        if not re.search(f"[\"']{key}[\"']", text) and not key.startswith(prefixes)
    }
    assert unused == set()
    assert {key for key in re.findall(r'\bt\(["\']([a-z.-]+)["\']', text) if not key.endswith(".")} <= known.keys()


def test_the_migrations_make_what_the_models_say(house: House) -> None:
    migrate.differences(house.db.engine, "idp")
    assert {"account", "session", "oauth_grant", "job"} <= set(inspect(house.db.engine).get_table_names())


def test_keys_are_made_once_and_open_with_the_same_secret_only(house: House) -> None:
    with house.db.write() as tx:
        before = published(tx, house.settings)
        ensure_keys(tx, clock.now(), house.settings)
        assert published(tx, house.settings) == before
        other = IdpSettings(public_url="https://x.test", database_url="sqlite://", secret="z" * 40)
        forget(tx, "signing-keys")
        with pytest.raises(InvalidTag):
            published(tx, other)
    assert house.acts().count("key.made") == 3


def test_after_a_rotation_old_tokens_hold_until_the_old_keys_are_swept(house: House) -> None:
    browser = house.browser()
    old = tokens(house, browser)
    with house.db.write() as tx:
        rotate_keys(tx, clock.now(), house.settings)
    still = tokens(house, browser)
    assert jwt.get_unverified_header(still["id_token"])["kid"] == jwt.get_unverified_header(old["id_token"])["kid"]
    with house.db.write() as tx:
        for key in tx.query(StoredKey).where(StoredKey.retired_at.is_not(None)):
            assert key.retired_at > clock.now() + timedelta(minutes=9)
            key.retired_at -= timedelta(minutes=11)
        forget(tx, "signing-keys")
    new = tokens(house, browser)
    assert jwt.get_unverified_header(new["id_token"])["kid"] != jwt.get_unverified_header(old["id_token"])["kid"]
    assert who(house, old["access_token"]).status_code == who(house, new["access_token"]).status_code == 200
    with house.db.write() as tx:
        assert len(published(tx, house.settings)["keys"]) == 6
        for key in tx.query(StoredKey).where(StoredKey.retired_at.is_not(None)):
            key.retired_at = clock.now() - timedelta(days=3)
        forget(tx, "signing-keys")
    sweep(house.db, {})
    assert len(house.machine().get("/jwks").json()["keys"]) == 3
    assert (who(house, old["access_token"]).status_code, who(house, new["access_token"]).status_code) == (401, 200)


def test_a_compromised_key_takes_all_that_it_signed_with_it(house: House) -> None:
    browser = house.browser()
    old = tokens(house, browser)
    with house.db.write() as tx:
        rotate_keys(tx, clock.now(), house.settings, compromised=True)
    assert len(house.machine().get("/jwks").json()["keys"]) == 3
    assert who(house, old["access_token"]).status_code == 401
    assert who(house, tokens(house, browser)["access_token"]).status_code == 200
    assert house.acts().count("key.withdrawn") == 3


def test_a_sealed_secret_opens_for_its_purpose_only() -> None:
    sealed = seal("s" * 32, "a", b"plain")
    assert unseal("s" * 32, "a", sealed) == b"plain"
    with pytest.raises(InvalidTag):
        unseal("s" * 32, "b", sealed)


@pytest.mark.parametrize("name", ["", "a", "á", "a b", "-a", "x" * 65, "a/b", "a@b"])
def test_a_malformed_user_name_is_refused(house: House, name: str) -> None:
    with house.db.write() as tx, pytest.raises(BadUsername):
        create_account(tx, clock.now(), username=name, full_name="A B", honorific="Ông", password=new_password())


def test_a_user_name_is_given_once_whatever_its_case(house: House) -> None:
    with house.db.write() as tx, pytest.raises(UsernameTaken):
        create_account(tx, clock.now(), username="HANHNTH", full_name="A B", honorific="Bà", password=new_password())


def test_generated_passwords_are_readable_and_differ() -> None:
    made = {new_password() for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch(r"([a-hjkmnp-tv-z2-9]{4}-){3}[a-hjkmnp-tv-z2-9]{4}", one) for one in made)
    assert readable_password(bytes(16)) == "aaaa-aaaa-aaaa-aaaa"
    assert checked_password("vie\u0302\u0323t-nam-2026", "x") == "việt-nam-2026"


def test_old_requests_are_swept_and_the_next_sweep_is_planned(house: House) -> None:
    begin(house.browser())
    with house.db.write() as tx:
        old = tx.query(AuthorizationRequest).one()
        old.expires_at = old.expires_at.replace(year=2020)
        for tries in (MAX_TRIES - 1, MAX_TRIES):  # of a job that nobody came to, and of one that was given up
            enqueue(tx, f"tried-{tries}", {}, old.expires_at).tries = tries
    begin(house.browser())
    sweep(house.db, {})
    with house.db.read() as tx:
        assert tx.query(AuthorizationRequest).count() == 1
        assert {job.kind for job in tx.query(Job)} == {SWEEP, f"tried-{MAX_TRIES - 1}"}


def test_the_stylesheet_names_exactly_the_fonts_that_are_copied() -> None:
    named = re.findall(r'url\("fonts/([^"]+)"\)', (PAGES / "static" / "fonts.css").read_text())
    assert sorted(named) == sorted(path.rsplit("/", 1)[1] for path in FONT_FILES)


def test_the_application_starts_and_makes_its_keys(house: House) -> None:
    with house.machine() as machine:
        assert machine.get("/readyz").text == "ready"
        kept = machine.get("/static/style.css")
    assert (kept.status_code, kept.headers["cache-control"]) == (200, "public, max-age=86400")


def test_keys_and_pages_are_read_before_anybody_asks(house: House) -> None:
    pages = len(page._templates.list_templates())
    _open.cache_clear()
    page._templates.cache.clear()  # type: ignore[union-attr]
    with house.machine():
        wait_until(lambda: len(page._templates.cache or ()) == pages)
    assert _open.cache_info().currsize == 1
