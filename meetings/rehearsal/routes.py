from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from meetings.agenda.door import Preparing
from meetings.agenda.routes import Created
from meetings.live.wire import Wire
from meetings.rehearsal import actions
from meetings.rehearsal.models import RehearsalView, rehearsals_of, view
from meetings.rehearsal.rules import LEAST, MOST
from shared.clock import Now
from shared.transactions import Read, Tx

router = APIRouter(prefix="/api/meetings/{meeting_id}/rehearsals")


class NewRehearsal(Wire):
    delegates: Annotated[int, Field(ge=LEAST, le=MOST)]


@router.get("")
def list_rehearsals(seat: Preparing, tx: Read) -> list[RehearsalView]:
    """The newest twenty; one that is under way tells how far it is."""
    return [view(row) for row in rehearsals_of(tx, seat.meeting_id)]


@router.post("", status_code=201)
def rehearse(seat: Preparing, tx: Tx, now: Now, plan: NewRehearsal) -> Created:
    """Run the meeting with simulated delegates, in a copy; the answer comes at once, the result in the list."""
    return Created(id=actions.ask_for_later(tx, now, seat.meeting_id, plan.delegates, seat.actor))
