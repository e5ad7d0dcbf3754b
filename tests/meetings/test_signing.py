"""Minutes signed by the secretary and the chair, with true keys, time stamps and revocation; and no byte changed unnoticed."""

import io
import json
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import BoundedSemaphore
from typing import Any

import pikepdf
import pytest
from starlette.testclient import TestClient

from deploy.demo.pki import Pki, Server
from deploy.demo.province import Person
from docs_store.validation import validate
from meetings import app as meetings_app
from meetings.minutes.verify import Report, report
from meetings.pages import verify
from shared import clock
from shared.words import catalogue, say
from tests.docs_store.papers import one_page
from tests.makers import House, make_house
from tests.meetings.conftest import PUBLIC_URL, Web, make_settings

SIGNERS = {"secretary": "Nguyễn Văn Secretary", "chair": "Nguyễn Văn Chair"}


@pytest.fixture(scope="module")
def pki(tmp_path_factory) -> Iterator[Pki]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        pki = Pki(tmp_path_factory.mktemp("pki") / "pki", free.getsockname()[1])
    pki.make([Person(username, "Ông", name, "", "", "Chức vụ") for username, name in SIGNERS.items()], clock.now())
    server = Server(pki)
    server.start()
    yield pki
    server.stop()


@pytest.fixture(scope="module")
def signing(pki, issuer, sqlite_template, tmp_path_factory) -> Iterator[Web]:
    """The application with the authority's keys."""
    folder = tmp_path_factory.mktemp("signing")
    shutil.copy(sqlite_template, folder / "meetings.db")
    keys = {"signers_url": str(pki.signers), "tsa_url": pki.tsa_url, "trust_roots": str(pki.root)}
    settings = make_settings(f"sqlite:///{folder}/meetings.db", folder, issuer).model_copy(update=keys)
    app = meetings_app.build(settings)
    with TestClient(app, base_url=PUBLIC_URL) as client:
        yield Web(client, issuer, make_house(app.state.db))


def hold(web: Web, house: House) -> None:
    """A meeting with one vote, closed, its minutes frozen."""
    web.house = house.open()
    poll = house.open_poll(title="Thông qua Nghị quyết về dự toán")
    for name in ("chair", "secretary", "m3", "m4"):
        house.cast(name, poll, "in_favour")
    house.close_poll(poll)
    assert web.call("chair", "POST", "close").status_code == 204
    assert web.call("secretary", "POST", "minutes/freeze").status_code == 204


@dataclass
class Signed:
    """The minutes after each signature."""

    pdf: bytes
    by_secretary: bytes
    facts: dict[str, Any]
    refusals: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def signed(signing) -> Signed:
    hold(signing, signing.house)
    refusals = [signing.call("chair", "POST", "minutes/sign").json()["code"]]
    assert signing.call("secretary", "POST", "minutes/sign").status_code == 204
    refusals.append(signing.call("secretary", "POST", "minutes/sign").json()["code"])
    half = signing.call("m3", "GET", "minutes.pdf").content
    assert signing.call("chair", "POST", "minutes/sign").status_code == 204
    for who, path, body in (("chair", "sign", None), ("chair", "return", {"reason": "a"}), ("secretary", "freeze", None)):
        refusals.append(signing.call(who, "POST", f"minutes/{path}", json=body).json()["code"])
    return Signed(signing.call("m3", "GET", "minutes.pdf").content, half, signing.call("m3", "GET", "minutes").json(), refusals)


def judge(pdf: bytes, pki: Pki) -> Report:
    return report(pdf, pki.root.read_bytes(), "vi")


def test_both_sign_in_their_turn_and_then_nothing_changes_any_more(signed):
    assert signed.refusals == ["not-your-turn", "not-your-turn", *["minutes-not-in-stage"] * 3]
    assert signed.facts["stage"] == "signed"
    assert [(one["role"], one["name"], one["timestamped"]) for one in signed.facts["signatures"]] == [
        ("secretary", SIGNERS["secretary"], True),
        ("chair", SIGNERS["chair"], True),
    ]
    assert signed.pdf.startswith(signed.by_secretary)


def test_signed_minutes_hold_and_the_report_says_so_in_words(signed, pki):
    found = judge(signed.pdf, pki)
    assert found.ok, [line.text for line in found.lines if not line.ok]
    told = " ".join(line.text for line in found.lines)
    assert all(name in told for name in SIGNERS.values())
    assert "Thông qua Nghị quyết về dự toán" in told
    assert "verify." not in told
    assert [(one.field, one.level) for one in found.validation.signatures] == [("secretary", "B-LT"), ("chair", "B-LT")]


def test_the_secretarys_signature_alone_is_not_enough(signed, pki):
    found = judge(signed.by_secretary, pki)
    assert not found.ok
    assert say("vi", ("meetings",), "verify.line.not-both") in {line.text for line in found.lines if not line.ok}


def offsets(signed: Signed) -> dict[str, int]:
    """A byte of each part of the file."""
    pdf, half = signed.pdf, len(signed.by_secretary)
    seals = [place for place in range(len(pdf)) if pdf.startswith(b"/Contents <30", place)]
    assert len(seals) >= 2
    return {
        "the header": 6,
        "the first page": pdf.index(b"stream") + 40,
        "the evidence": pdf.index(b"EmbeddedFile") + 200,
        "the end of the first revision": half - 20,
        "the secretary's seal": seals[0] + 400,
        "the chair's seal": seals[-1] + 400,
        "the second revision": half + 200,
        "the last byte but one": len(pdf) - 3,
    }


PLACES = ("the header", "the first page", "the evidence", "the end of the first revision", "the secretary's seal")
LATER = ("the chair's seal", "the second revision", "the last byte but one")


@pytest.mark.parametrize("place", PLACES + LATER)
def test_one_changed_byte_is_found_and_there_are_words_for_it(signed, pki, place):
    offset = offsets(signed)[place]
    changed = signed.pdf[:offset] + bytes([signed.pdf[offset] ^ 1]) + signed.pdf[offset + 1 :]
    found = validate(changed, [pki.root.read_bytes()], now=clock.now())
    assert not found.ok
    assert found.faults
    for language in ("vi", "en"):
        assert {f"verify.line.fault.{fault.kind}" for fault in found.faults} <= set(catalogue(language, ("meetings",)))


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda pdf: pdf + b"\n% more", "trailing-bytes"),
        (lambda pdf: pdf[:-1000], None),
        (lambda pdf: pdf[: len(pdf) // 2], None),
        (lambda _: b"", "unparsable"),
        (lambda _: b"%PDF-1.7\n", "unparsable"),
        (lambda _: one_page(), "unsigned"),
    ],
)
def test_a_file_that_was_cut_or_grown_does_not_hold(signed, pki, change, kind):
    found = validate(change(signed.pdf), [pki.root.read_bytes()], now=clock.now())
    assert not found.ok
    assert kind is None or kind in {fault.kind for fault in found.faults}


def test_the_report_names_what_does_not_hold(signed, pki):
    offset = offsets(signed)["the evidence"]
    found = judge(signed.pdf[:offset] + bytes([signed.pdf[offset] ^ 1]) + signed.pdf[offset + 1 :] + b"\n% more", pki)
    assert not found.ok
    told = [line.text for line in found.lines if not line.ok]
    for fault in found.validation.faults:
        words = say("vi", ("meetings",), f"verify.line.fault.{fault.kind}", field="").strip()
        assert any(text.startswith(words) for text in told)
    assert not [text for text in told if text.startswith("verify.")]


def test_signatures_of_an_authority_that_nobody_trusts_do_not_hold(signed, pki, tmp_path):
    stranger = Pki(tmp_path / "other", pki.port)
    stranger.make([], clock.now())
    for roots in ([stranger.root.read_bytes()], []):
        found = validate(signed.pdf, roots, now=clock.now())
        assert not found.ok
        assert "untrusted" in {fault.kind for fault in found.faults}


def with_evidence(content: bytes) -> bytes:
    """An unsigned file that carries `content` as if it were evidence."""
    buffer = io.BytesIO()
    with pikepdf.open(io.BytesIO(one_page())) as pdf:
        pdf.attachments["chung-cu.json"] = pikepdf.AttachedFileSpec(pdf, content, filename="chung-cu.json")
        pdf.save(buffer)
    return buffer.getvalue()


def ask(web: Web, pdf: bytes, code: str = "", language: str = "vi", name: str = "bien-ban.pdf") -> Any:
    return web.client.post("/verify", files={"file": (name, pdf)}, data={"code": code}, headers={"accept-language": language})


@pytest.mark.parametrize(("language", "verdict"), [("vi", "Còn nguyên vẹn"), ("en", "Intact")])
def test_anyone_can_ask_the_page_and_find_the_own_ballot(signing, signed, language, verdict):
    assert say(language, ("meetings",), "verify.intact") == verdict
    [code] = [one[0] for one in signed.facts["sections"][3]["votes"][0]["ballots"] if "M3" in one[1]]
    wanted, key = (code.lower(), "verify.choice.in_favour") if language == "vi" else ("AAA-AAA", "verify.ballot-none")
    answer = ask(signing, signed.pdf, wanted, language)
    assert answer.status_code == 200
    assert verdict in answer.text
    assert say(language, ("meetings",), key, code="AAA-AAA") in answer.text


TALE = json.dumps({"format": "dienhong-evidence-1", "meeting": {"title": "<script>alert(1)</script>"}, "polls": [], "log": []})
BALLOT = {"member_id": "m", "turn": 1, "choice": "}", "cast_at": "2026-12-09T08:00:00", "receipt": "", "code": "<B>"}
POLL = {"id": "p", "number": "1.1", "title": "", "majority": "two_thirds", "chair_breaks_tie": False, "needed": 1} | {
    "opened_at": BALLOT["cast_at"], "closed_at": BALLOT["cast_at"], "check_code": "", "electorate": ["m"], "ballots": [BALLOT],
    "tally": dict.fromkeys(("in_favour", "against", "abstaining", "not_voted", "absent"), 0), "outcome": "{needed:>20000000}",
}  # fmt: skip
PATTERNS = json.dumps(json.loads(TALE) | {"members": ["m"], "polls": [POLL]})


@pytest.mark.parametrize(
    "pdf",
    [
        b"not a pdf",
        with_evidence(b"[" * 200_000),
        with_evidence(b'{"format": ' + b"9" * 5000 + b"}"),
        with_evidence(b'{"format": "dienhong-evidence-1", "meeting": {"title": "\\ud800"}, "polls": [], "log": []}'),
        with_evidence(TALE.encode()),
        with_evidence(PATTERNS.encode()),
    ],
    ids=["text", "deep", "number", "surrogate", "script", "pattern"],
)
def test_a_hostile_file_is_told_as_not_whole(signing, pdf):
    answer = ask(signing, pdf, "<b>", name='"><script>x</script>.pdf')
    assert answer.status_code == 200
    assert say("vi", ("meetings",), "verify.broken") in answer.text
    assert "<script" not in answer.text
    assert len(answer.text) < 10_000
    assert "default-src" in answer.headers["content-security-policy"]


def test_a_stranger_for_whom_there_is_no_room_is_refused_without_waiting(signing, monkeypatch):
    monkeypatch.setattr(verify, "ROOM", BoundedSemaphore(1))
    with verify.ROOM:
        answer = ask(signing, b"not a pdf")
    assert (answer.status_code, answer.json()["code"]) == (429, "too-many-requests")
    assert ask(signing, b"not a pdf").status_code == 200


@pytest.mark.parametrize(
    "arguments", [{}, {"data": {"file": "text"}}, {"files": {"file": ("a.pdf", b"x")}, "data": {"code": "x" * 21}}]
)
def test_a_form_without_a_file_or_with_too_long_a_code_is_refused(signing, arguments):
    answer = signing.client.post("/verify", **arguments)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")


def test_a_key_that_does_not_open_signs_nothing_and_without_a_time_stamp_the_signature_says_so(signing, signed, pki):
    state, before, secret = signing.client.app.state, signing.house, pki.signers / "secretary.pass"
    kept, settings = secret.read_text(), state.settings
    try:
        hold(signing, make_house(state.db))
        secret.write_text("wrong")
        answer = signing.call("secretary", "POST", "minutes/sign")
        assert (answer.status_code, answer.json()["code"]) == (502, "signing-failed")
        assert signing.call("secretary", "GET", "minutes").json()["stage"] == "frozen"
        secret.write_text(kept)
        state.settings = settings.model_copy(update={"tsa_url": "http://127.0.0.1:1/tsa"})
        assert signing.call("secretary", "POST", "minutes/sign").status_code == 204
        assert [one["timestamped"] for one in signing.call("m3", "GET", "minutes").json()["signatures"]] == [False]
    finally:
        secret.write_text(kept)
        signing.house, state.settings = before, settings


def test_a_signer_keeps_the_key_in_a_folder_of_the_operator_only(pki):
    assert {path.stat().st_mode & 0o077 for path in pki.signers.iterdir()} == {0}
