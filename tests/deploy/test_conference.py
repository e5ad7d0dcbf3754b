"""The sample conference: 154 bridges, and somebody at each."""

from collections import Counter

from deploy.demo import conference, seed
from deploy.demo.province import BY_USERNAME
from meetings import app as wiring
from meetings.live import snapshot
from meetings.live.log import Level
from shared import clock, migrate
from shared.db import Database


def test_the_province_has_154_bridges_in_five_clusters_and_its_offices():
    rooms = conference.rooms()
    assert Counter(Counter(room.cluster for room in rooms).values()) == {26: 5, 24: 1}
    for names in ({room.name for room in rooms}, {room.short for room in rooms}, {room.phone for room in rooms}):
        assert len(names) == len(rooms) == 154


def test_three_people_at_least_sit_at_each_and_one_who_can_sign_in_leads_where_there_is_one():
    people = conference.delegates()
    at = Counter(one.room for one in people)
    assert len({one.username for one in people}) == len(people)
    assert all(at[room.name] >= conference.SEATS for room in conference.rooms())
    leads = {room.short: conference.lead_of(room, people) for room in conference.rooms()}
    for short in ("Sở TC", "Tân Lâm", "Lộc An", "Đạ Hòa", "Hòn Lan"):
        assert leads[short] in BY_USERNAME
    assert len(set(leads.values())) == 154


def test_the_conference_is_published_with_its_bridges(tmp_path):
    assert wiring
    db = Database(f"sqlite:///{tmp_path}/conference.db")
    migrate.upgrade(db.engine, "meetings")
    meeting_id = seed.fill_conference(db, clock.now())
    with db.read() as tx:
        state = snapshot.take(tx, meeting_id, Level.GUEST).state
    db.close()
    assert (state.meeting.stage, len(state.bridges)) == ("published", 154)
    assert all(bridge.lead_id in state.members and bridge.state == "waiting" for bridge in state.bridges.values())
    assert state.quorum.total == sum(member.votes for member in state.members.values())
    clusters = [bridge.cluster for bridge in sorted(state.bridges.values(), key=lambda bridge: bridge.place)]
    assert list(dict.fromkeys(clusters)) == list(dict.fromkeys(room.cluster for room in conference.rooms()))
