"""The pass of a rehearsal: lets its simulated people do in the copy what a session needs, for half an hour. Deny first."""

import re
from datetime import datetime

from fastapi import Request

from meetings.access.door import SIMULATED
from meetings.rehearsal import rules
from meetings.rehearsal.copy import person
from meetings.rehearsal.models import OF_PASS
from meetings.rehearsal.problems import PassRefused
from shared.caller import Caller
from shared.ids import digest


def write_pass(secret: str, place: int) -> str:
    """The bearer token of the simulated person at `place`, from 0; the first is the chair."""
    return f"{SIMULATED}{place}.{secret}"


async def let_in(request: Request, now: datetime, token: str) -> Caller:
    """The simulated person. What seat that is, and what it may do, the meeting's own doors decide."""
    found = re.fullmatch(r"(\d{1,4})\.([\w-]{43})", token.removeprefix(SIMULATED), re.ASCII)
    if found is None:
        raise PassRefused()
    place, secret = found.groups()
    known = await request.app.state.db.reads.run(lambda tx: OF_PASS.one(tx, digest=digest(secret)))
    copy_id, asked_at = known or (None, now)
    if copy_id is None or now >= asked_at + rules.LONGEST or not rules.opens(request.method, request.url.path, copy_id):
        raise PassRefused()
    username, subject = person(copy_id, int(place))
    return Caller(
        subject=subject,
        username=username,
        name=username,
        client_id="rehearsal",
        sid=subject,
        scopes=frozenset(),
        acr="",
        amr=(),
        auth_time=datetime.fromtimestamp(0, now.tzinfo),  # never a fresh sign-in
    )
