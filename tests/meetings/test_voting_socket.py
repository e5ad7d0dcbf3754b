"""Ballots over the socket: the same box as over HTTPS, the same receipt to the byte, on every node."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from sqlalchemy import func, select, text
from starlette.testclient import TestClient

from meetings import app as meetings_app
from meetings.bodies.models import Member
from meetings.voting import box, models
from shared import clock
from shared.audit import AuditEvent
from shared.db import Database
from shared.problems import Unavailable
from tests.conftest import servers
from tests.makers import make_house
from tests.meetings.conftest import PUBLIC_URL, Web, make_settings
from tests.meetings.lines import address, line

KEY = "k" * 20


@pytest.fixture
def poll(web) -> str:
    return web.house.open().open_poll()


def over_https(web, who: str, poll: str, choice: str = "in_favour", key: str = KEY):
    return web.call(who, "POST", f"polls/{poll}/ballots", json={"choice": choice}, headers={"Idempotency-Key": key})


def receipt_bytes(raw: str) -> bytes:
    return raw.partition('"receipt":')[2][:-1].encode()


def test_a_ballot_over_the_socket_is_counted_and_its_receipt_is_to_the_byte_that_of_https(web, poll):
    with line(web, "m3") as mine, line(web, "m3") as second:
        answer = mine.vote(poll, "in_favour", KEY)
        first = receipt_bytes(mine.raw)
        assert (answer["type"], answer["key"], answer["receipt"]["turn"]) == ("vote.receipt", KEY, 1)
        assert second.vote(poll, "in_favour", KEY) == answer
        assert receipt_bytes(second.raw) == first
        assert over_https(web, "m3", poll).content == first
        assert web.call("m3", "GET", f"polls/{poll}/ballots/mine").content == first
        assert web.house.close_poll(poll).in_favour == 1
        assert mine.vote(poll, "in_favour", KEY) == answer  # after the close as well


def test_a_receipt_of_https_is_the_sockets_too(web, poll):
    first = over_https(web, "m3", poll).content
    with line(web, "m3") as mine:
        mine.vote(poll, "in_favour", KEY)
    assert receipt_bytes(mine.raw) == first


def test_a_changed_mind_names_what_it_replaces(web, poll):
    with line(web, "m3") as mine:
        first = mine.vote(poll, "in_favour", KEY)["receipt"]
        refused = mine.vote(poll, "against", "a" * 20)
        assert (refused["status"], refused["code"], refused["facts"]) == (409, "already-voted", {"code": first["code"]})
        assert mine.vote(poll, "against", "b" * 20, first["receipt"])["receipt"]["turn"] == 2
        assert mine.vote(poll, "abstaining", "c" * 20, first["receipt"])["code"] == "already-voted"
    closed = web.house.close_poll(poll)
    assert (closed.in_favour, closed.against) == (0, 1)


def test_what_the_rules_forbid_is_refused_over_the_socket_too(web):
    house = web.house.open(present=5)
    prepared, poll = house.prepare_poll(), house.open_poll()
    with line(web, "teller") as teller, line(web, "m6") as absent, line(web, "m4") as gone, line(web, "m3") as mine:
        assert teller.vote(poll, "in_favour", KEY)["code"] == "not-eligible"
        assert absent.vote(poll, "in_favour", KEY)["code"] == "not-present"
        assert mine.vote(prepared, "in_favour", KEY)["code"] == "poll-not-open"
        assert mine.vote("0" * 26, "in_favour", KEY)["code"] == "not-found"
        with web.client.app.state.db.write() as tx:
            tx.get_one(Member, house.seats["m4"].member_id).votes = False
        assert gone.vote(poll, "in_favour", "g" * 20)["code"] == "forbidden"
        assert mine.vote(poll, "in_favour", KEY)["receipt"]
        assert mine.vote(poll, "against", KEY)["code"] == "key-reused"
        other = make_house(web.client.app.state.db).open().open_poll()
        assert mine.vote(other, "in_favour", "o" * 20)["code"] == "not-found"
    assert house.close_poll(poll).in_favour == 1
    with web.client.app.state.db.read() as tx:
        acts = set(tx.scalars(select(AuditEvent.act).where(AuditEvent.object.startswith("vote.cast"))))
    assert {"refused.not-eligible", "refused.not-found", "refused.forbidden", "refused.key-reused"} <= acts


@pytest.mark.parametrize(
    "change",
    [
        {"choice": "yes"},
        {"choice": 2**63},
        {"choice": ["in_favour", "against"]},
        {"choice": None},
        {"weight": 2},
        {"member_id": "another"},
        {"key": "short"},
        {"key": "k" * 65},
        {"key": "k" * 19 + "\x00"},
        {"poll_id": "p" * 65},
        {"poll_id": "'; --"},
        {"replaces": "nothing like a receipt"},
        {"replaces": float("nan")},
    ],
    ids=str,
)
def test_a_ballot_that_is_none_ends_the_socket_and_stores_nothing(web, poll, change):
    ballot = {"type": "vote.cast", "poll_id": poll, "choice": "in_favour", "key": KEY, "replaces": None} | change
    with line(web, "m3") as mine:
        assert mine.say(ballot).closed() == 4400
    with web.client.app.state.db.read() as tx:
        assert tx.scalar(select(func.count()).select_from(models.Ballot)) == 0


def test_a_sign_in_that_has_ended_casts_nothing_though_its_socket_still_stands(house):
    from meetings.access.models import EndedSession

    poll = house.open().open_poll()
    with house.db.write() as tx:
        tx.add(EndedSession(sid="over", jti="jti", ended_at=clock.now()))
    member = house.seats["m3"].member_id
    cast = box.Cast(house.meeting_id, poll, member, "over", "in_favour", KEY, None, clock.now())
    with house.db.write() as tx:
        [outcome] = box.cast_together(tx, [cast])
    assert outcome.code == "session-ended"


def test_ballots_that_come_together_are_each_answered_for_themselves(house):
    """One transaction: first ballots, a retry, two devices of one person, a stolen key, a late poll, a stranger."""
    late, poll = house.open().open_poll(), None
    house.close_poll(late)
    poll = house.open_poll()
    known = house.cast("chair", poll, "in_favour", key=KEY)

    def cast(who: str, key: str, choice: str = "in_favour", where: str = poll, replaces: str | None = None) -> box.Cast:
        return box.Cast(house.meeting_id, where, house.seats[who].member_id, "s", choice, key, replaces, clock.now())

    casts = [
        cast("chair", KEY),
        cast("m3", "3" * 20),
        cast("m3", "3" * 20),
        cast("m3", "x" * 20, "against"),
        cast("m4", "3" * 20),
        cast("m5", "5" * 20, where=late),
        cast("teller", "t" * 20),
        cast("secretary", "s" * 20, replaces=None),
        cast("chair", "c" * 20, "against", replaces=known.receipt),
    ]
    with house.db.write() as tx:
        outcomes = box.cast_together(tx, casts)
    told = [getattr(one, "code", "") if isinstance(one, Exception) else one.turn for one in outcomes]
    assert told == [1, 1, 1, "already-voted", "key-reused", "poll-not-open", "not-eligible", 1, 2]
    assert (outcomes[0], outcomes[1]) == (known, outcomes[2])
    closed = house.close_poll(poll)
    assert (closed.in_favour, closed.against, closed.not_voted) == (2, 1, 3)


class Node(Web):
    """A second process of the service, as far as the database can tell."""


@pytest.mark.parametrize("server", servers())
def test_one_ballot_two_nodes_two_ways_a_hundred_times(server, postgres_urls, issuer, tmp_path):
    settings = make_settings(postgres_urls[server], tmp_path, issuer)
    with ExitStack() as stack:
        clients = [stack.enter_context(TestClient(meetings_app.build(settings), base_url=PUBLIC_URL)) for _ in range(2)]
        house = make_house(clients[0].app.state.db)
        house.open()
        nodes = [Node(client, issuer, house) for client in clients]
        poll = house.open_poll()
        for node in nodes:
            address(node)
            stack.callback(node.client.app.state.stop)
            over_https(node, "m3", poll)  # alone: routes are made ready at their first calls
        lines = [stack.enter_context(line(node, "m3")) for node in nodes]

        def try_it(number: int) -> bytes:
            node = nodes[number % 2]
            return over_https(node, "m3", poll).content

        with ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(try_it, number) for number in range(60)]
            sent = []
            for _ in range(20):
                for one in lines:
                    one.vote(poll, "in_favour", KEY)
                    sent.append(receipt_bytes(one.raw))
            answers = {one.result() for one in asked} | set(sent)
        assert len(answers) == 1
        assert json.loads(answers.pop())["turn"] == 1
        assert house.close_poll(poll).in_favour == 1


@pytest.mark.parametrize("race", range(3))
def test_races_at_the_close_through_the_box(house, race):
    """Batches of two nodes against the closing chair, five polls each; acknowledged if and only if counted.

    `make faults` runs a thousand.
    """
    house.open()
    other = Database(str(house.db.engine.url.render_as_string(hide_password=False)))
    for _ in range(5):
        poll, acknowledged, start = house.open_poll(), [], threading.Barrier(3)

        def node(db: Database, names: list[str], poll=poll, start=start, acknowledged=acknowledged) -> None:
            casts = [
                box.Cast(
                    house.meeting_id, poll, house.seats[name].member_id, "s", "in_favour", f"{name:_<20}", None, clock.now()
                )
                for name in names
            ]
            start.wait()
            for place in range(0, len(casts), 2):
                with db.write() as tx:
                    outcomes = box.cast_together(tx, casts[place : place + 2])
                acknowledged += [one for one in outcomes if not isinstance(one, Exception)]

        def close(poll=poll, start=start) -> None:
            start.wait()
            house.close_poll(poll)

        threads = [
            threading.Thread(target=node, args=(house.db, house.names)),
            threading.Thread(target=node, args=(other, house.names[::-1])),
            threading.Thread(target=close),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with house.db.read() as tx:
            assert tx.get_one(models.Poll, poll).in_favour == len({one.member_id for one in acknowledged})
            stored = {ballot.receipt for ballot in models.counted_of(tx, poll).values()}
        assert {one.receipt for one in acknowledged} == stored
    other.close()


def test_an_unknown_outcome_is_not_acknowledged_and_a_retry_finds_out(web, poll, monkeypatch):
    """The line to the database is lost in COMMIT, twice: once after it took effect."""
    from sqlalchemy.exc import OperationalError

    together, broken = box.cast_together, []

    def cast_and_lose(tx, casts):
        outcomes = together(tx, casts)
        if len(broken) < 2:
            broken.append(len(casts))
            raise OperationalError("COMMIT", {}, Exception("server closed the connection"))
        return outcomes

    monkeypatch.setattr(box, "cast_together", cast_and_lose)
    with line(web, "m3") as mine:
        refused = mine.vote(poll, "in_favour", KEY)
        assert (refused["type"], refused["status"], refused["code"]) == ("vote.refused", 503, "unavailable")
        assert mine.vote(poll, "in_favour", KEY)["receipt"]["turn"] == 1
    assert web.house.close_poll(poll).in_favour == 1


def test_nobody_hears_a_result_over_the_socket_before_it_is_declared(web, poll):
    with line(web, "m3") as mine, line(web, "guest") as guest:
        for one in (mine, guest):
            one.hello()
        mine.vote(poll, "against", KEY)
        web.call("chair", "POST", f"polls/{poll}/close")
        for one in (mine, guest):
            while not any(event["event"]["type"] == "poll.closed" for event in one.until("events")["events"]):
                pass
        assert "against" not in json.dumps(guest.heard)
        assert "against" not in json.dumps([frame for frame in mine.heard if frame["type"] != "vote.receipt"])


@pytest.mark.parametrize("server", servers())
def test_a_commit_with_a_warning_is_not_acknowledged(server, postgres_urls):
    """As PostgreSQL ends a wait for a synchronous standby that was cut off: committed here, perhaps not there (01000)."""
    db = Database(postgres_urls[server])
    house = make_house(db)
    poll = house.open().open_poll()
    warn = (
        "CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'alone'; RETURN NULL; END $$",
        "CREATE CONSTRAINT TRIGGER warn AFTER INSERT ON ballot DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION warn()",
    )
    try:
        with db.engine.begin() as connection:
            for statement in warn:
                connection.execute(text(statement))
        with pytest.raises(Unavailable):
            house.cast("m3", poll, "in_favour", key=KEY)
        assert house.cast("m3", poll, "in_favour", key=KEY).turn == 1  # the retry finds out
        assert house.close_poll(poll).in_favour == 1
    finally:
        with db.engine.begin() as connection:
            connection.execute(text("DROP FUNCTION IF EXISTS warn CASCADE"))
        db.close()
