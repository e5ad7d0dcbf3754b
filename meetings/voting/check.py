"""Whether the ballots that are kept are those that were cast: for the operator, whose database has the secrets of the polls."""

import hmac
from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from meetings.voting.models import Ballot, polls_of
from shared.audit import canonical
from shared.ids import same, short_code


def seal(secret: str, poll_id: str, member_id: str, choice: str, key: str) -> bytes:
    """What a receipt is: nobody can make one for another choice without the poll's secret."""
    return hmac.digest(secret.encode(), canonical([poll_id, member_id, choice, key]), "sha256")


def altered(tx: Session, meeting_id: str) -> Iterator[str]:
    """A line for each ballot that is not what its voter got a receipt for."""
    for poll in polls_of(tx, meeting_id):
        for ballot in tx.scalars(select(Ballot).where(Ballot.poll_id == poll.id).order_by(Ballot.member_id, Ballot.turn)):
            sealed = seal(poll.secret, poll.id, ballot.member_id, ballot.choice, ballot.key)
            if not same(sealed.hex(), ballot.receipt) or short_code(sealed) != ballot.code:
                yield f"poll {poll.number}, ballot of member {ballot.member_id}, turn {ballot.turn}: not as it was cast"
