"""Builders with true defaults, for what the tests need to stand on."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from meetings.agenda import actions as agenda
from meetings.agenda.door import Seat, find_seat
from meetings.agenda.models import Meeting
from meetings.attendance import actions as attendance
from meetings.bodies import actions as bodies
from meetings.bodies.models import Member
from meetings.bodies.rules import Kind, Role
from meetings.bridges import actions as bridges
from meetings.bridges.sheet import BridgeRow
from meetings.voting import actions as voting
from shared import clock
from shared.caller import Caller
from shared.db import Database
from shared.ids import new_token


def make_caller(username: str, **changes: object) -> Caller:
    now = clock.now()
    plain = Caller(
        subject=f"sub-{username}",
        username=username,
        name=username,
        client_id="meetings-web",
        sid=f"sid-{username}",
        scopes=frozenset({"openid"}),
        acr="",
        amr=("pwd",),
        auth_time=now,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def make_body(tx: Session, voters: int = 6, kind: Kind = Kind.PEOPLES_COUNCIL) -> str:
    """A body of `voters` members with a vote (chair, secretary, m3, m4, ...), one teller and one guest without."""
    body = bodies.create_body(tx, clock.now(), name="HĐND tỉnh Bình Lâm", kind=kind, actor="-")
    names = ["chair", "secretary", *(f"m{number}" for number in range(3, voters + 1))][:voters]
    roles = {"chair": Role.CHAIR, "secretary": Role.SECRETARY}
    for name in names:
        bodies.add_member(
            tx,
            body.id,
            username=name,
            full_name=f"Nguyễn Văn {name.capitalize()}",
            honorific="Ông",
            email=f"{name}@binhlam.example",
            role=roles.get(name, Role.MEMBER),
            votes=True,
        )
    for name, role in (("teller", Role.TELLER), ("guest", Role.GUEST)):
        bodies.add_member(tx, body.id, username=name, full_name=f"Trần Thị {name.capitalize()}", role=role, votes=False)
    return body.id


@dataclass
class House:
    """A meeting in its database, and the seats of its people by user name."""

    db: Database
    meeting_id: str
    item_id: str
    voters: int
    seats: dict[str, Seat] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        return ["chair", "secretary", *(f"m{number}" for number in range(3, self.voters + 1))][: self.voters]

    def check_in(self, names: Sequence[str]) -> None:
        with self.db.write() as tx:
            for name in names:
                attendance.check_in(tx, clock.now(), self.seats[name])

    def bridge(self, name: str, *members: str, lead: str = "") -> str:
        """A remote room of the body at which these members sit; its id."""
        now = clock.now()
        with self.db.write() as tx:
            body_id = tx.get_one(Meeting, self.meeting_id).body_id
            row = BridgeRow(f"Xã {name}", name, "Cụm 1 · Trung tâm", lead, "0912345154")
            bridge_id = bridges.add_bridge(tx, now, body_id, row, "-")
            for member in members:
                tx.get_one(Member, self.seats[member].member_id).bridge_id = bridge_id
            tx.flush()
            attendance.tell_meetings(tx, now, body_id, "-")
        return bridge_id

    def open(self, present: int | None = None) -> "House":
        """Check in `present` members (all by default) and open the meeting at its first item."""
        self.check_in(self.names[: self.voters if present is None else present])
        with self.db.write() as tx:
            attendance.open_meeting(tx, clock.now(), self.seats["chair"])
            agenda.enter_item(tx, clock.now(), self.seats["chair"], self.item_id)
        return self

    def prepare_poll(self, **changes: object) -> str:
        plan = {"item_id": self.item_id, "title": "Thông qua Nghị quyết", "majority": None, "duration": None} | changes
        with self.db.write() as tx:
            return voting.prepare_poll(tx, clock.now(), self.seats["secretary"], **plan)  # type: ignore[arg-type]

    def open_poll(self, **changes: object) -> str:
        poll_id = self.prepare_poll(**changes)
        with self.db.write() as tx:
            voting.open_poll(tx, clock.now(), self.seats["secretary"], poll_id)
        return poll_id

    def cast(
        self, name: str, poll_id: str, choice: str, *, key: str | None = None, replaces: str | None = None
    ) -> voting.Receipt:
        with self.db.write() as tx:
            return voting.cast_ballot(
                tx, clock.now(), self.seats[name], poll_id, voting.Choice(choice), key or new_token(), replaces
            )

    def close_poll(self, poll_id: str) -> voting.Poll:
        with self.db.write() as tx:
            voting.close_poll(tx, clock.now(), self.seats["secretary"], poll_id)
            return tx.get_one(voting.Poll, poll_id)


def make_house(db: Database, voters: int = 6, kind: Kind = Kind.PEOPLES_COUNCIL, starts_at: datetime | None = None) -> House:
    """A published meeting with one item; nobody has checked in."""
    now = clock.now()
    with db.write() as tx:
        body_id = make_body(tx, voters, kind)
        meeting = agenda.create_meeting(
            tx,
            now,
            body_id=body_id,
            actor="-",
            title="Kỳ họp thứ 4",
            kind="regular",
            place="Hội trường tỉnh",
            starts_at=starts_at or now + timedelta(hours=1),
        )
        house = House(db, meeting.id, "", voters)
        everyone = [*house.names, "teller", "guest"]
        secretary = find_seat(tx, make_caller("secretary"), meeting.id)
        house.item_id = agenda.add_item(
            tx, now, secretary, parent_id=None, title="Dự toán", presenter="Sở Tài chính", minutes=30
        )
        agenda.publish(tx, now, secretary)
        house.seats = {name: find_seat(tx, make_caller(name), meeting.id) for name in everyone}
    return house
