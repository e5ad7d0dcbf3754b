"""A01 for what is said on sockets: every message times every role, directly and behind a relay; a new one needs its line."""

from contextlib import ExitStack
from typing import Any, get_args
from uuid import uuid4

import pytest
from pydantic import TypeAdapter
from sqlalchemy import select

from meetings.live import frames, hub, relay, socket
from meetings.live.events import event_adapter
from meetings.live.log import Level
from meetings.live.models import Event
from meetings.papers.models import Paper
from tests.meetings.conftest import PUBLIC_URL
from tests.meetings.inventory import EVENTS, FRAMES, MESSAGES, NOBODY, PUBLIC, ROLES, SEATED, TO_ALL, TO_THE_DESK, Message
from tests.meetings.lines import line
from tests.meetings.lines import turned_away as no_entry
from tests.meetings.test_relay_line import link, turned_away

ANSWERS = ("snapshot", "vote.receipt", "vote.refused")
SPOKEN = {"/api/live": socket._said, "/api/live/relay": relay._told}


def kinds(union: TypeAdapter[Any]) -> set[str]:
    return set(union.json_schema()["discriminator"]["mapping"])


def test_a01_every_message_frame_and_event_stands_in_the_inventory():
    assert {path for method, path in PUBLIC if method == "WS"} == SPOKEN.keys() == MESSAGES.keys()
    for path, union in SPOKEN.items():
        lines = {message.type for message in MESSAGES[path]}
        assert kinds(union) == lines, f"give it a line in tests/meetings/inventory.py: who may say it? {kinds(union) ^ lines}"
    said = {one.model_fields["type"].default for one in get_args(frames.Frame)}
    assert said == FRAMES.keys(), f"a line in FRAMES: who may hear it? {said ^ FRAMES.keys()}"
    assert kinds(event_adapter) == EVENTS.keys(), (
        f"a line in EVENTS: to whom is it told? {kinds(event_adapter) ^ EVENTS.keys()}"
    )


def at_home(standing: Any, role: str) -> Any:
    """The meeting in which the role has a seat, if any."""
    return standing.theirs if role.startswith("x-") else standing.house


def ticket_of(standing: Any, role: str, meeting_id: str) -> Any:
    if role == NOBODY:
        return standing.client.post(f"/api/meetings/{meeting_id}/ticket")
    return standing.call(role, "POST", f"/api/meetings/{meeting_id}/ticket")


def judge(message: Message, role: str, frame: dict[str, Any]) -> None:
    if role in message.allowed:
        assert frame["type"] == message.answer, (role, frame)
    elif role in message.refused:
        assert (frame["type"], frame["code"]) == ("vote.refused", message.refused[role]), role
    else:
        raise AssertionError(f"{role} came in")


@pytest.mark.parametrize("message", MESSAGES["/api/live"], ids=lambda message: message.type)
def test_a01_a_message_is_taken_from_its_roles_and_refused_to_all_others(standing, poll, message):
    with link(standing) as room:
        for number, role in enumerate(ROLES, 1):
            if role not in message.allowed | message.refused.keys():
                answer = ticket_of(standing, role, standing.house.meeting_id)
                assert answer.status_code in (401, 404), role
                assert no_entry(standing, "") == 403
                assert room.enter(number, "") == socket.NO_ENTRY
                continue
            known = {"poll_id": poll, "key": uuid4().hex}
            said = {"type": message.type} | {
                name: value.format(**known) if isinstance(value, str) else value for name, value in message.json.items()
            }
            home = at_home(standing, role).meeting_id
            with line(standing, entry=ticket_of(standing, role, home).json()["ticket"]) as mine:
                judge(message, role, mine.say(said).until(*ANSWERS))
            assert room.enter(number, ticket_of(standing, role, home).json()["ticket"]) == number
            judge(message, role, room.said(number, **said).until(number, lambda one: one["type"] in ANSWERS))


def test_a01_no_person_speaks_as_a_relay(standing):
    for role in ROLES:
        token = standing.issuer.token(role, audience=PUBLIC_URL, scope="openid meetings.relay") if role else ""
        assert turned_away(standing, token) == 403, role


@pytest.fixture
def quick(monkeypatch) -> None:
    for name, seconds in (("COALESCE", 0.01), ("TICK", 0.1), ("NET", 0.1), ("BEAT", 0.1)):
        monkeypatch.setattr(hub, name, seconds)


def test_a01_nobody_hears_a_frame_that_is_not_for_them(standing, quick):
    with ExitStack() as stack:
        lines = {role: stack.enter_context(line(standing, role)) for role in sorted(SEATED)}
        for mine in lines.values():
            mine.hello()
        poll = standing.fresh_poll()
        for mine in lines.values():
            mine.vote(poll, "against", uuid4().hex)
            for kind in ("turnout", "heartbeat"):
                if kind not in {frame["type"] for frame in mine.heard}:
                    mine.until(kind)
        heard = {role: {frame["type"] for frame in mine.heard} for role, mine in lines.items()}
        standing.end_poll()
    wrong = {(role, kind) for role, types in heard.items() for kind in types if role not in FRAMES[kind]}
    assert not wrong
    assert {"presence", "turnout"} <= heard["chair"]


def test_a01_every_event_is_logged_for_those_whom_it_is_told(world):
    with world.app.state.db.read() as tx:
        of_paper = {paper.id: paper.level for paper in tx.scalars(select(Paper))}
        published: set[str] = set()
        for event in tx.scalars(select(Event).order_by(Event.meeting_id, Event.seq)):
            kind, whom = event.body["type"], EVENTS[event.body["type"]]
            if kind == "meeting.published":
                published.add(event.meeting_id)
            if whom == TO_ALL:
                assert event.level == (Level.GUEST if event.meeting_id in published else Level.DESK), kind
            elif whom == TO_THE_DESK:
                assert event.level == Level.DESK, kind
            else:
                assert event.level == of_paper[event.body.get("paper_id") or event.body["paper"]["id"]], kind
    assert published
