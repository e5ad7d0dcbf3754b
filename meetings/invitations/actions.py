from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from meetings.agenda.door import Seat
from meetings.agenda.models import Meeting
from meetings.agenda.problems import MeetingNotInStage
from meetings.agenda.rules import Stage
from meetings.bodies.models import Member, members_of
from meetings.invitations.letter import compose
from meetings.invitations.models import Invitation
from shared import clock, jobs, mail
from shared.db import Database
from shared.problems import NotFound
from shared.settings import Settings
from shared.words import nfc


def invite(tx: Session, now: datetime, meeting_id: str) -> int:
    """Put a notice in the post for each member with an address; how many. A second call invites only who is new."""
    meeting = tx.get_one(Meeting, meeting_id)
    posted = 0
    for member in members_of(tx, meeting.body_id):
        if tx.get(Invitation, (meeting_id, member.id)) is None:
            tx.add(Invitation(meeting_id=meeting_id, member_id=member.id, invited_at=now, reason=""))
            if member.email:
                body = {"meeting_id": meeting_id, "member_id": member.id}
                jobs.enqueue(tx, "invitation.send", body, now, unique_key=f"invitation:{meeting_id}:{member.id}")
                posted += 1
    return posted


def send(settings: Settings, db: Database, body: dict[str, Any]) -> None:
    """The job that writes and sends one letter. Sent twice at worst, if the process dies in between."""
    key = (body["meeting_id"], body["member_id"])
    with db.read() as tx:
        invitation = tx.get(Invitation, key)
        if invitation is None or invitation.sent_at:
            return
        letter = compose(settings, tx.get_one(Meeting, key[0]), tx.get_one(Member, key[1]))
    mail.send(settings, letter)
    with db.write() as tx:
        tx.get_one(Invitation, key).sent_at = clock.now()


def reply(tx: Session, now: datetime, seat: Seat, answer: str, reason: str) -> None:
    """Accept or decline, with a reason; may be changed until the meeting opens."""
    meeting = tx.get_one(Meeting, seat.meeting_id)
    if meeting.stage != Stage.PUBLISHED:
        raise MeetingNotInStage(stage=meeting.stage)
    invitation = tx.get(Invitation, (seat.meeting_id, seat.member_id))
    if invitation is None:
        raise NotFound()
    invitation.reply, invitation.reason, invitation.replied_at = answer, nfc(reason), now
