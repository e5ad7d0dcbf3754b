from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import Field

from meetings.agenda.door import Conducting, Seated
from meetings.invitations import actions
from meetings.invitations.models import Invitation, invitations_of
from meetings.live.views import View
from meetings.live.wire import Wire
from shared.clock import Now
from shared.problems import NotFound
from shared.transactions import Read, Tx

router = APIRouter(prefix="/api/meetings/{meeting_id}/invitations")


class Reply(Wire):
    reply: Literal["accepted", "declined"]
    reason: Annotated[str, Field(max_length=500)] = ""


class InvitationView(View):
    member_id: str
    sent_at: datetime | None
    reply: Literal["accepted", "declined"] | None
    reason: str


@router.get("")
def list_invitations(seat: Conducting, tx: Read) -> list[InvitationView]:
    return [InvitationView.model_validate(one) for one in invitations_of(tx, seat.meeting_id)]


@router.get("/mine")
def my_invitation(seat: Seated, tx: Read) -> InvitationView:
    mine = tx.get(Invitation, (seat.meeting_id, seat.member_id))
    if mine is None:
        raise NotFound()
    return InvitationView.model_validate(mine)


@router.put("/mine", status_code=204)
def reply(seat: Seated, tx: Tx, now: Now, reply: Reply) -> None:
    actions.reply(tx, now, seat, reply.reply, reply.reason)
