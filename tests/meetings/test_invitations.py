"""Notice of a meeting: a real letter with a calendar file, sent once, and the replies."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial
from zoneinfo import ZoneInfo

import icalendar
import pytest
import time_machine
from starlette.testclient import TestClient

from meetings import app as meetings_app
from meetings.agenda.models import Meeting
from meetings.bodies.models import Member
from meetings.invitations import actions
from meetings.invitations.letter import compose
from meetings.invitations.models import Invitation
from meetings.settings import MeetingsSettings
from shared import clock, jobs
from tests.makers import make_house
from tests.meetings.conftest import PUBLIC_URL, Web
from tests.meetings.issuer import Issuer
from tests.meetings.scene import PLAN
from tests.shared.receiver import Receiver, receiving


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def convene(web, **plan: str) -> str:
    """A second meeting of the house's body, published; its path."""
    with web.client.app.state.db.read() as tx:
        body_id = tx.get_one(Meeting, web.house.meeting_id).body_id
    made = web.call("secretary", "POST", "/api/meetings", json=PLAN | {"body_id": body_id} | plan).json()["id"]
    web.call("secretary", "POST", f"/api/meetings/{made}/items", json={"title": "Dự toán"})
    answer = web.call("secretary", "POST", f"/api/meetings/{made}/publish")
    assert answer.json() == {"first": True, "papers": 0, "notices": 6}
    return f"/api/meetings/{made}"


def parts(letter: EmailMessage) -> tuple[str, icalendar.Component]:
    """The words, and the one event of the calendar file."""
    attached = next(part for part in letter.iter_attachments())
    assert attached.get_content_type() == "text/calendar"
    assert attached.get_param("method") == "REQUEST"
    whole = icalendar.Calendar.from_ical(attached.get_payload(decode=True))
    assert whole["method"] == "REQUEST"
    assert [str(zone["tzid"]) for zone in whole.walk("VTIMEZONE")] == ["Asia/Ho_Chi_Minh"]
    [event] = whole.walk("VEVENT")
    return letter.get_body(("plain",)).get_content(), event


@contextmanager
def posting(settings: MeetingsSettings, issuer: Issuer, smtp_url: str) -> Iterator[Web]:
    """The application with a relay."""
    app = meetings_app.build(settings.model_copy(update={"smtp_url": smtp_url}))
    with TestClient(app, base_url=PUBLIC_URL) as client:
        yield Web(client, issuer, make_house(app.state.db))


@pytest.fixture
def mailing(settings, issuer) -> Iterator[tuple[Web, Receiver]]:
    with receiving() as (box, port), posting(settings, issuer, f"smtp://127.0.0.1:{port}") as web:
        yield web, box


def test_each_member_with_an_address_gets_one_letter_with_a_calendar_file(mailing):
    web, box = mailing
    meeting = convene(web, title="Kỳ họp thứ 5, “chuyên đề”", place="Hội trường A; tầng 2")
    wait(lambda: len(box.letters) >= 6)
    assert {str(letter["To"].addresses[0].addr_spec) for letter in box.letters} == {
        f"{name}@binhlam.example" for name in web.house.names
    }
    letter = next(letter for letter in box.letters if "m3@" in letter["To"])
    assert letter["To"].addresses[0].display_name == "Nguyễn Văn M3"
    assert "Kỳ họp thứ 5, “chuyên đề”" in letter["Subject"]
    text, event = parts(letter)
    for words in ("Ông Nguyễn Văn M3", "HĐND tỉnh Bình Lâm", "08:00, ngày 09/12/2026", "Hội trường A; tầng 2"):
        assert words in text
    path = meeting.removeprefix("/api/meetings/")
    assert f"http://localhost:8500/m/{path}" in text
    starts = event.decoded("dtstart")
    assert (starts.isoformat(), starts.tzinfo) == ("2026-12-09T08:00:00+07:00", ZoneInfo("Asia/Ho_Chi_Minh"))
    assert event.decoded("dtend") - starts == timedelta(hours=4)
    assert (event["summary"], event["location"]) == ("Kỳ họp thứ 5, “chuyên đề”", "Hội trường A; tầng 2")
    assert event["uid"] == f"{path}@localhost:8500"
    assert event["attendee"] == "mailto:m3@binhlam.example"
    assert event["attendee"].params["cn"] == "Nguyễn Văn M3"
    assert event["organizer"].params["cn"] == "HĐND tỉnh Bình Lâm"


def test_no_title_breaks_the_letter_or_adds_to_it(mailing):
    web, box = mailing
    convene(web, title="Kỳ họp\r\nBcc: evil@example.com\nATTENDEE:mailto:evil@example.com", place="A\nBEGIN:VEVENT")
    wait(lambda: len(box.letters) >= 6)
    for letter in box.letters:
        assert letter["Bcc"] is None
        event = parts(letter)[1]
        assert str(event["attendee"]).endswith("@binhlam.example")
        assert "evil@example.com" in letter["Subject"]


def test_nor_does_one_that_pretends_to_be_encoded(web, settings):
    words = "=?utf-8?q?Thu=0ABcc:_evil@example.com?="
    with web.client.app.state.db.write() as tx:
        meeting, member = tx.get_one(Meeting, web.house.meeting_id), tx.get_one(Member, web.house.seats["m3"].member_id)
        meeting.title = member.full_name = words
        letter = message_from_bytes(compose(settings, meeting, member).as_bytes(), policy=policy.default)
    assert letter["Bcc"] is None
    assert [one.addr_spec for one in letter["To"].addresses] == ["m3@binhlam.example"]


def test_letters_may_become_files_and_the_desk_sees_that_they_went_out(settings, issuer, tmp_path):
    folder = tmp_path / "thư đi"
    with posting(settings, issuer, f"file://{folder}") as web:
        meeting = convene(web)

        def sent() -> list[bool]:
            return sorted(bool(one["sent_at"]) for one in web.call("secretary", "GET", f"{meeting}/invitations").json())

        wait(lambda: sent() == [False, False, True, True, True, True, True, True])  # two have no address
    letters = [message_from_bytes(file.read_bytes(), policy=policy.default) for file in folder.glob("*.eml")]
    assert len(letters) == 6
    assert all(parts(letter)[1]["summary"] == PLAN["title"] for letter in letters)


def test_a_letter_is_sent_once_and_after_a_failure_again(house, settings, tmp_path):
    relay = settings.model_copy(update={"smtp_url": "smtp://127.0.0.1:1"})
    with house.db.write() as tx:
        assert actions.invite(tx, clock.now(), house.meeting_id) == 6
        assert actions.invite(tx, clock.now(), house.meeting_id) == 0
    assert jobs.run_due(house.db, {"invitation.send": partial(actions.send, relay)}) == 0
    folder = tmp_path / "later"
    sink = settings.model_copy(update={"smtp_url": f"file://{folder}"})
    with time_machine.travel(clock.now() + timedelta(minutes=1), tick=True):
        assert jobs.run_due(house.db, {"invitation.send": partial(actions.send, sink)}) == 6
    assert len(list(folder.glob("*.eml"))) == 6
    job = {"meeting_id": house.meeting_id, "member_id": house.seats["m3"].member_id}
    actions.send(sink, house.db, job)
    assert len(list(folder.glob("*.eml"))) == 6


def test_a_member_accepts_or_declines_until_the_meeting_opens(web):
    meeting = convene(web)
    mine = f"{meeting}/invitations/mine"
    assert web.call("m3", "GET", mine).json()["reply"] is None
    assert web.call("m3", "PUT", mine, json={"reply": "accepted"}).status_code == 204
    assert web.call("m3", "PUT", mine, json={"reply": "declined", "reason": "  đi công tác "}).status_code == 204
    found = web.call("m3", "GET", mine).json()
    assert (found["reply"], found["reason"], found["member_id"]) == ("declined", "đi công tác", web.house.seats["m3"].member_id)
    by_member = {one["member_id"]: one["reply"] for one in web.call("chair", "GET", f"{meeting}/invitations").json()}
    assert by_member[web.house.seats["m3"].member_id] == "declined"
    assert by_member[web.house.seats["m4"].member_id] is None
    assert web.call("m4", "GET", f"{meeting}/invitations").json()["code"] == "forbidden"
    for name in ("chair", "secretary", "m4", "m5"):
        web.call(name, "POST", f"{meeting}/check-in", json={})
    assert web.call("chair", "POST", f"{meeting}/open").status_code == 204
    late = web.call("m3", "PUT", mine, json={"reply": "accepted"})
    assert (late.status_code, late.json()["code"]) == (409, "meeting-not-in-stage")


def test_who_was_not_invited_has_nothing_to_reply_to(web):
    meeting = convene(web)
    with web.client.app.state.db.write() as tx:
        tx.query(Invitation).filter_by(member_id=tx.query(Member).filter_by(username="m6").one().id).delete()
    for method, body in (("GET", None), ("PUT", {"reply": "accepted"})):
        answer = web.call("m6", method, f"{meeting}/invitations/mine", json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
