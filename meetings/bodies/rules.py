"""A body's rules of quorum and majority. Integers only: a share of a body is a number of people."""

from dataclasses import dataclass
from enum import StrEnum


class Share(StrEnum):
    """A share of ALL members, never of those present."""

    MORE_THAN_HALF = "more_than_half"
    TWO_THIRDS = "two_thirds"


class Kind(StrEnum):
    PEOPLES_COUNCIL = "peoples_council"
    PEOPLES_COMMITTEE = "peoples_committee"
    OTHER = "other"


REHEARSAL = "rehearsal"  # in place of a kind: the body of a meeting's copy, which stands in no list


class Role(StrEnum):
    CHAIR = "chair"
    SECRETARY = "secretary"
    MEMBER = "member"
    TELLER = "teller"
    GUEST = "guest"


class LostBridge(StrEnum):
    """Whether members at a bridge that is lost count as present."""

    COUNTS = "counts"
    DOES_NOT_COUNT = "does_not_count"


def needed(share: Share, total: int) -> int:
    """The least number of people that makes up `share` of `total`."""
    return total // 2 + 1 if share is Share.MORE_THAN_HALF else (2 * total + 2) // 3


@dataclass(frozen=True, slots=True)
class Law:
    """`quorum` to sit and to vote; `majority` of an ordinary decision; who decides a tie; who is present at a lost bridge."""

    quorum: Share
    majority: Share
    chair_breaks_tie: bool
    lost_bridge: LostBridge = LostBridge.DOES_NOT_COUNT  # who can neither hear nor vote is not present


# People's Council: two thirds of all deputies to sit, more than half of all to resolve, no casting vote.
# People's Committee: the same shares; where the two sides are equal, the side of the chairman decides.
# Law on Organisation of Local Government 72/2025/QH15, working regulations 103/2025/UBTVQH15.
LAWS = {
    Kind.PEOPLES_COUNCIL: Law(Share.TWO_THIRDS, Share.MORE_THAN_HALF, chair_breaks_tie=False),
    Kind.PEOPLES_COMMITTEE: Law(Share.TWO_THIRDS, Share.MORE_THAN_HALF, chair_breaks_tie=True),
    Kind.OTHER: Law(Share.MORE_THAN_HALF, Share.MORE_THAN_HALF, chair_breaks_tie=False, lost_bridge=LostBridge.COUNTS),
}


@dataclass(frozen=True, slots=True)
class Quorum:
    total: int
    needed: int
    present: int

    @property
    def reached(self) -> bool:
        # A body without members never sits.
        return self.total > 0 and self.present >= self.needed


def quorum(share: Share, total: int, present: int) -> Quorum:
    return Quorum(total, needed(share, total), present)
