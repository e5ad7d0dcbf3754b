"""Fill the two empty databases of the demo: accounts and clients at idp; bodies, a meeting and its papers at meetings."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from deploy.applications import web_app
from deploy.demo import conference, province
from deploy.demo.meeting import PlannedItem, sample_meeting
from deploy.demo.papers import make_papers
from docs_store import pdf
from docs_store.store import Store
from idp.accounts import actions as accounts
from idp.accounts.passwords import hash_password
from idp.clients import actions as clients
from idp.clients.rules import ApplicationType, AuthMethod, Metadata
from idp.units import actions as units
from idp.units.rules import Kind as UnitKind
from meetings.access import actions as access
from meetings.agenda import actions as agenda
from meetings.agenda.door import Seat, find_seat
from meetings.bodies import actions as bodies
from meetings.bodies.rules import Kind, LostBridge, Role, Share
from meetings.bodies.sheet import Row
from meetings.bridges import actions as bridges
from meetings.bridges.sheet import BridgeRow
from meetings.papers import actions as papers
from meetings.voting import actions as voting
from shared.caller import Caller
from shared.db import Database

Progress = Callable[[str], None]


def fill_idp(db: Database, now: datetime, addresses: dict[str, str]) -> dict[str, Any]:
    """20 units, an account for each person with a generated password, and the clients. `addresses`: meetings, calendar.

    What only now is known: accounts with passwords, the calendar's secret, an initial access token.
    """
    made: list[dict[str, str]] = []
    passwords = {person.username: accounts.new_password() for person in province.PEOPLE}
    hashes = {name: hash_password(password) for name, password in passwords.items()}  # takes seconds, so no transaction is open
    with db.write() as tx:
        ids: dict[str | None, str] = {}
        for unit in province.UNITS:
            ids[unit.code] = units.create_unit(
                tx, now, code=unit.code, name=unit.name, kind=UnitKind(unit.kind), parent_id=ids.get(unit.parent)
            ).id
        roles = {person.username: membership.role for person, membership in province.members(province.COUNCIL)}
        for person in province.PEOPLE:
            accounts.create_account(
                tx,
                now,
                username=person.username,
                full_name=person.name,
                honorific=person.honorific,
                email=person.email,
                post=person.post,
                unit_id=ids[person.unit],
                password_hash=hashes[person.username],
            )
            role = "administrator" if person.username == province.ADMINISTRATOR else roles.get(person.username, "official")
            password = passwords[person.username]
            made.append({"username": person.username, "password": password, "role": role, "name": person.name})
        secret = _register_clients(tx, now, addresses)
        return {"accounts": made, "calendar_secret": secret, "initial_access_token": clients.make_initial_access_token(tx, now)}


def _register_clients(tx: Session, now: datetime, addresses: dict[str, str]) -> str:
    meetings, calendar = addresses["meetings"], addresses["calendar"]
    clients.register_client(tx, now, web_app(meetings, "Văn phòng Đoàn ĐBQH và HĐND tỉnh"), client_id="meetings-web")
    work = Metadata(
        name="Lịch công tác",
        office="Văn phòng UBND tỉnh",
        description="Lịch làm việc trong tuần",
        redirect_uris=(f"{calendar}/callback",),
        post_logout_redirect_uris=(f"{calendar}/signed-out",),
        backchannel_logout_uri=f"{calendar}/backchannel-logout",
        client_uri=f"{calendar}/",
        trusted=True,
    )
    _, secret = clients.register_client(tx, now, work, client_id="calendar")
    test = Metadata(
        name="Ứng dụng thử",
        description="Máy khách công khai để thử kết nối",
        redirect_uris=("http://127.0.0.1/callback",),
        auth_method=AuthMethod.NONE,
        application_type=ApplicationType.NATIVE,
        audiences=(meetings,),
        trusted=True,
    )
    clients.register_client(tx, now, test, client_id="test-client")
    return secret or ""


def fill_meetings(db: Database, store: Store, now: datetime, papers_folder: Path, progress: Progress) -> str:
    """Three bodies with their members, and the sample meeting with agenda, polls and papers, published. The meeting's id."""
    plan = sample_meeting(now)
    with db.write() as tx:
        ids = {
            body.code: bodies.create_body(tx, now, name=body.name, kind=Kind(body.kind), actor="-").id
            for body in province.BODIES
        }
        for code, body_id in ids.items():
            for person, membership in province.members(code):
                bodies.add_member(
                    tx,
                    body_id,
                    username=person.username,
                    full_name=person.name,
                    honorific=person.honorific,
                    email=person.email,
                    post=person.post,
                    group=membership.group,
                    seat=membership.seat,
                    role=Role(membership.role),
                    votes=membership.votes,
                )
        access.name_administrator(tx, now, province.ADMINISTRATOR)
        secretary = _caller(next(p for p, m in province.members(plan.body) if m.role == "secretary"), now)
        meeting = agenda.create_meeting(
            tx,
            now,
            body_id=ids[plan.body],
            actor="-",
            title=plan.title,
            kind="regular",
            place=plan.place,
            starts_at=plan.starts_at,
        )
        seat = find_seat(tx, secretary, meeting.id)
        items = _add_items(tx, now, seat, plan.items)
    _add_papers(db, store, now, seat, items, papers_folder, progress)
    with db.write() as tx:
        papers.publish(tx, now, seat)
    return seat.meeting_id


def fill_conference(db: Database, now: datetime) -> str:
    """The body of the whole province with its 154 bridges, and a conference of it, published; its id."""
    rooms, people = conference.rooms(), conference.delegates()
    chair_name, accounts_of = province.chair(province.COMMITTEE).username, province.BY_USERNAME
    roles = {chair_name: Role.CHAIR, province.SECRETARY: Role.SECRETARY}
    with db.write() as tx:
        kind, lost = Kind.OTHER, LostBridge.DOES_NOT_COUNT
        body_id = bodies.create_body(tx, now, name=conference.NAME, kind=kind, lost_bridge=lost, actor="-").id
        rows = [BridgeRow(one.name, one.short, one.cluster, conference.lead_of(one, people), one.phone) for one in rooms]
        bridges.import_bridges(tx, now, body_id, rows, [], "-")
        members = [
            Row(
                honorific=one.honorific,
                full_name=one.name,
                username=one.username,
                email=accounts_of[one.username].email if one.username in accounts_of else "",
                post=one.post,
                group="",
                seat="",
                role=roles.get(one.username, Role.MEMBER),
                votes=one.votes,
                bridge=one.room,
            )
            for one in people
        ]
        bodies.import_members(tx, now, body_id, members, [], "-")
        starts_at = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        meeting = agenda.create_meeting(
            tx,
            now,
            body_id=body_id,
            actor="-",
            title=conference.TITLE,
            kind="thematic",
            place=conference.PLACE,
            starts_at=starts_at,
        )
        seat = find_seat(tx, _caller(accounts_of[province.SECRETARY], now), meeting.id)
        for title, presenter, minutes in conference.ITEMS:
            agenda.add_item(tx, now, seat, parent_id=None, title=title, presenter=presenter, minutes=minutes)
        agenda.publish(tx, now, seat)
    return meeting.id


def _caller(person: province.Person, now: datetime) -> Caller:
    return Caller(
        subject="-",
        username=person.username,
        name=person.name,
        client_id="-",
        sid="-",
        scopes=frozenset(),
        acr="",
        amr=(),
        auth_time=now,
    )


def _add_items(
    tx: Session, now: datetime, seat: Seat, planned: tuple[PlannedItem, ...], parent: str | None = None
) -> dict[str, str]:
    """Item ids by their planned key; open polls beside them (secret ballots are another room's work)."""
    made: dict[str, str] = {}
    for item in planned:
        made[item.key] = agenda.add_item(
            tx, now, seat, parent_id=parent, title=item.title, presenter=item.presenter, minutes=item.minutes
        )
        for poll in (one for one in item.polls if not one.secret):
            voting.prepare_poll(
                tx, now, seat, item_id=made[item.key], title=poll.question, majority=Share(poll.majority), duration=120
            )
        made |= _add_items(tx, now, seat, item.items, made[item.key])
    return made


def _add_papers(
    db: Database, store: Store, now: datetime, seat: Seat, items: dict[str, str], folder: Path, progress: Progress
) -> None:
    for file in make_papers(folder, now):
        progress(file.title)
        found = pdf.intake(file.path.read_bytes(), file.path.name)
        blob = store.put(found.data)
        name = file.path.name.replace(f" (ban {file.version})", "")
        with db.write() as tx:
            papers.add_paper(
                tx,
                now,
                seat,
                item_id=items[file.item_key],
                name=name,
                title=file.title,
                audience="delegates",
                blob=blob,
                found=found,
            )
