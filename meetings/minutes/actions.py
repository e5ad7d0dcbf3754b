"""Close the meeting, then draft, correct, freeze and sign its minutes.

Freezing and signing take seconds and call outside services, so they work on what they have read and store the result in a
short transaction of their own, which is refused when the minutes moved meanwhile.
"""

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from docs_store import versions
from docs_store.fields import Field, prepare
from docs_store.models import Document
from docs_store.problems import SigningFailed
from docs_store.store import Store
from docs_store.typeset import typeset
from meetings.agenda import actions as agenda
from meetings.agenda.door import Seat
from meetings.agenda.problems import PollStillOpen
from meetings.bodies.models import Member
from meetings.live import events, log
from meetings.live.log import Level
from meetings.live.views import MinutesView
from meetings.minutes import draft, evidence, rules
from meetings.minutes.facts import Facts, gather, house_of
from meetings.minutes.models import Minutes, MinutesSignature, minutes_view, signatures_of
from meetings.minutes.problems import MinutesChanged, NoSigningKey
from meetings.minutes.rules import MinutesStage, Signatory
from meetings.settings import MeetingsSettings
from meetings.speaking import actions as speaking
from meetings.voting.models import open_poll_of
from shared import audit, clock, jobs
from shared.audit import canonical
from shared.db import Database
from shared.problems import NotFound
from shared.words import nfc, say

if TYPE_CHECKING:
    from docs_store.signing import Signed

FRESH = timedelta(minutes=5)  # a signature asks for a sign-in this fresh
TEMPLATE = Path(__file__).parent / "minutes.typ"
EVIDENCE = "chung-cu.json"
SOON, LATER = timedelta(minutes=1), timedelta(hours=1)  # until a service that was away is asked again
# The two boxes of minutes.typ, in points from the lower left of the last page: left the secretary's, right the chair's.
BOXES = {Signatory.SECRETARY: (108.0, 92.0, 288.0, 162.0), Signatory.CHAIR: (335.0, 92.0, 515.0, 162.0)}


def adjourn(tx: Session, now: datetime, seat: Seat) -> None:
    """Break off until the meeting is opened again; the floor is taken back."""
    _need_no_open_poll(tx, seat)
    speaking.end_floor(tx, now, seat)
    agenda.adjourn(tx, now, seat)


def close_meeting(tx: Session, now: datetime, seat: Seat) -> None:
    """End the meeting for good, and begin its minutes."""
    _need_no_open_poll(tx, seat)
    speaking.end_floor(tx, now, seat)
    agenda.close(tx, now, seat)
    house = house_of(tx, seat.meeting_id).model_dump(mode="json")
    tx.add(Minutes(meeting_id=seat.meeting_id, stage=MinutesStage.DRAFT, revision=1, texts={}, house=house))
    _log(tx, now, seat, events.MinutesDrafted(minutes=_view(tx, seat.meeting_id)))


def save_texts(tx: Session, now: datetime, seat: Seat, revision: int, texts: dict[str, str]) -> None:
    """Store the secretary's words by section; refused when someone saved since `revision`."""
    minutes = _find(tx, seat.meeting_id, lock=True)
    rules.need_stage(MinutesStage(minutes.stage), MinutesStage.DRAFT)
    if revision != minutes.revision:
        raise MinutesChanged(revision=minutes.revision)
    minutes.texts = {key: nfc(texts[key]) for key in draft.SECTIONS if texts.get(key)}
    minutes.revision += 1
    _log(tx, now, seat, events.MinutesDrafted(minutes=_view(tx, seat.meeting_id)))


def typeset_draft(db: Database, now: datetime, meeting_id: str) -> bytes:
    """The minutes as they stand, marked as a draft, without evidence or fields."""
    with db.read() as tx:
        facts, texts = gather(tx, meeting_id), _find(tx, meeting_id).texts
    return _typeset(facts, texts, now, evidence_json=None)


def freeze(db: Database, store: Store, now: datetime, seat: Seat) -> None:
    """Set the minutes for good, with their evidence inside and two empty signature fields. No byte of this changes any more."""
    with db.read() as tx:
        minutes = _find(tx, seat.meeting_id)
        rules.need_stage(MinutesStage(minutes.stage), MinutesStage.DRAFT)
        revision, facts, texts = minutes.revision, gather(tx, seat.meeting_id), minutes.texts
        evidence_json = canonical(evidence.collect(tx, seat.meeting_id))
    fields = [Field(role.value, say("vi", ("meetings",), f"minutes.field.{role}"), -1, box) for role, box in BOXES.items()]
    master = prepare(_typeset(facts, texts, now, evidence_json), fields)
    blob = store.put(master)
    with db.write() as tx:
        minutes = _find(tx, seat.meeting_id, lock=True)
        rules.need_stage(MinutesStage(minutes.stage), MinutesStage.DRAFT)
        if minutes.revision != revision:
            raise MinutesChanged(revision=minutes.revision)
        document = versions.create(tx, now)
        versions.append(tx, document, blob, now, name="bien-ban.pdf", added_by=seat.actor)
        minutes.document_id, minutes.sha256, minutes.frozen_at = document.id, blob.sha256, now
        minutes.stage = MinutesStage.FROZEN
        _log(tx, now, seat, events.MinutesFrozen(minutes=_view(tx, seat.meeting_id)))
        audit.record(tx, now, "minutes.frozen", actor=seat.actor, object=seat.meeting_id, sha256=blob.sha256)


def sign(db: Database, store: Store, settings: MeetingsSettings, now: datetime, seat: Seat) -> None:
    """Sign the frozen bytes with the caller's own key: the secretary first, then the chair. Needs a fresh sign-in."""
    with db.read() as tx:
        minutes = _find(tx, seat.meeting_id)
        role, following = rules.turn(MinutesStage(minutes.stage), is_secretary=seat.is_secretary, is_chair=seat.is_chair)
        seat.caller.need_fresh_sign_in(now, FRESH)
        before = versions.find(tx, minutes.document_id or "")
        member = tx.get_one(Member, seat.member_id)
    pdf = b"".join(store.read(before.sha256, 0, before.size))
    signed = _sign(settings, now, seat, role, pdf, member)
    blob = store.put(signed.data)
    with db.write() as tx:
        minutes = _find(tx, seat.meeting_id, lock=True)
        if minutes.sha256 != before.sha256:
            raise MinutesChanged(revision=minutes.revision)
        document = tx.get_one(Document, minutes.document_id)
        versions.append(tx, document, blob, now, name="bien-ban.pdf", added_by=seat.actor)
        if following is MinutesStage.SIGNED:
            versions.archive(document)
        minutes.stage, minutes.sha256 = following, blob.sha256
        tx.add(
            MinutesSignature(
                meeting_id=seat.meeting_id,
                role=role,
                member_id=member.id,
                name=member.full_name,
                signed_at=now,
                timestamped=signed.level != "B-B",
            )
        )
        if signed.pending not in ("", "not-configured"):
            jobs.enqueue(tx, "minutes.prove", {"meeting_id": seat.meeting_id}, now + SOON)
        _log(tx, now, seat, events.MinutesSigned(minutes=_view(tx, seat.meeting_id)))
        audit.record(
            tx,
            now,
            "minutes.signed",
            actor=seat.actor,
            object=seat.meeting_id,
            role=role,
            level=signed.level,
            sha256=blob.sha256,
        )


def prove(settings: MeetingsSettings, store: Store, db: Database, body: dict[str, str]) -> None:
    """The job that adds the proofs that were not to be had at the signing, and a timestamp over all; asks again until they are.

    What was signed stays as it is, byte for byte, and is the beginning of the new version.
    """
    from docs_store import signing, validation  # see `_sign`

    now, meeting_id = clock.now(), body["meeting_id"]
    with db.read() as tx:
        minutes = _find(tx, meeting_id)
        if not minutes.document_id:  # sent back meanwhile
            return
        before = versions.find(tx, minutes.document_id)
    pdf = b"".join(store.read(before.sha256, 0, before.size))
    roots = _roots(settings)
    if all(one.level == "B-LT" for one in validation.validate(pdf, roots, now=now).signatures):
        return
    try:
        proved = signing.extend(pdf, tsa_url=settings.tsa_url, trust_roots=roots)
    except SigningFailed as failed:
        with db.write() as tx:
            if failed.facts["reason"] == "away":
                jobs.enqueue(tx, "minutes.prove", body, now + LATER)
            else:
                audit.record(tx, now, "minutes.not-proved", object=meeting_id, sha256=before.sha256, **failed.facts)
        return
    blob = store.put(proved)
    with db.write() as tx:
        minutes = _find(tx, meeting_id, lock=True)
        if minutes.sha256 != before.sha256:
            raise MinutesChanged(revision=minutes.revision)  # the worker tries again, with what they are now
        document = tx.get_one(Document, minutes.document_id)
        versions.append(tx, document, blob, now, name=before.name, added_by="clock", grown=True)
        minutes.sha256 = blob.sha256
        for signature in signatures_of(tx, meeting_id):
            signature.timestamped = True
        log.append(tx, now, meeting_id, events.MinutesProved(minutes=_view(tx, meeting_id)), actor="clock", level=Level.GUEST)
        audit.record(tx, now, "minutes.proved", object=meeting_id, sha256=blob.sha256)


def send_back(tx: Session, now: datetime, seat: Seat, reason: str) -> None:
    """The chair returns the minutes to the secretary; what was frozen and signed is kept as void."""
    minutes = _find(tx, seat.meeting_id, lock=True)
    rules.need_stage(MinutesStage(minutes.stage), MinutesStage.FROZEN, MinutesStage.SIGNED_BY_SECRETARY)
    minutes.stage, minutes.revision, minutes.frozen_at = MinutesStage.DRAFT, minutes.revision + 1, None
    minutes.sha256 = minutes.document_id = None
    for signature in tx.query(MinutesSignature).filter_by(meeting_id=seat.meeting_id):
        tx.delete(signature)
    tx.flush()
    _log(tx, now, seat, events.MinutesReturned(minutes=_view(tx, seat.meeting_id), reason=nfc(reason)))
    audit.record(tx, now, "minutes.returned", actor=seat.actor, object=seat.meeting_id, reason=nfc(reason))


def _sign(settings: MeetingsSettings, now: datetime, seat: Seat, role: Signatory, pdf: bytes, member: Member) -> "Signed":
    from docs_store import signing  # pyHanko is half a second to load, and signs twice a meeting

    folder = Path(settings.signers_url)
    key, secret = folder / f"{seat.caller.username}.p12", folder / f"{seat.caller.username}.pass"
    if not settings.signers_url or not key.is_file() or not secret.is_file():
        raise NoSigningKey(username=seat.caller.username)
    words = {part: say("vi", ("meetings",), f"minutes.{part}.{role}") for part in ("stamp", "reason")}
    with signing.open_signer(str(key), secret.read_text()) as signer:
        return signing.sign(
            pdf,
            signer,
            field=role.value,
            stamp=signing.Stamp(name=member.full_name, role=words["stamp"], at=now),
            reason=words["reason"],
            now=now,
            trust_roots=_roots(settings),
            tsa_url=settings.tsa_url,
        )


def _roots(settings: MeetingsSettings) -> list[bytes]:
    return [Path(settings.trust_roots).read_bytes()] if settings.trust_roots else []


def _typeset(facts: Facts, texts: dict[str, str], now: datetime, evidence_json: bytes | None) -> bytes:
    from hashlib import sha256

    members, meeting = facts.members, facts.meeting
    data = {
        "title": meeting.title,
        "body": meeting.body_name,
        "draft": evidence_json is None,
        "evidence_sha256": sha256(evidence_json).hexdigest() if evidence_json else "–",
        "secretary": members[meeting.secretary_id].full_name if meeting.secretary_id in members else "",
        "chair": members[meeting.chair_id].full_name if meeting.chair_id in members else "",
        "sections": [
            {
                "title": one.title,
                "paragraphs": one.paragraphs,
                "text": one.text,
                "votes": [vote.__dict__ for vote in one.votes],
            }
            for one in draft.sections(facts, texts)
        ],
    }
    return typeset(TEMPLATE, draft.printable(data), now=now, attachments={EVIDENCE: evidence_json} if evidence_json else None)


def _need_no_open_poll(tx: Session, seat: Seat) -> None:
    agenda.get_meeting(tx, seat.meeting_id)
    if poll := open_poll_of(tx, seat.meeting_id):
        raise PollStillOpen(number=poll.number)


def _find(tx: Session, meeting_id: str, *, lock: bool = False) -> Minutes:
    """`lock` for who is about to change them, so that of two only the first finds them as it knew them."""
    minutes = tx.get(Minutes, meeting_id, with_for_update=lock)
    if minutes is None:
        raise NotFound()
    return minutes


def _view(tx: Session, meeting_id: str) -> MinutesView:
    tx.flush()
    view = minutes_view(tx, meeting_id)
    assert view is not None  # noqa: S101
    return view


def _log(tx: Session, now: datetime, seat: Seat, event: events.AnyEvent) -> None:
    log.append(tx, now, seat.meeting_id, event, actor=seat.actor, level=Level.GUEST)
