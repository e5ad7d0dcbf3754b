"""The evidence that travels inside the minutes: enough to count every vote again without the database."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from docs_store import versions
from meetings.agenda.models import Meeting
from meetings.live import log
from meetings.live.log import Level
from meetings.live.models import Event
from meetings.minutes.facts import house_of
from meetings.papers.models import papers_of, releases_of
from meetings.voting.models import Ballot, Poll, PollVoter, polls_of

FORMAT = "dienhong-evidence-1"
EXPORT = "dienhong-export-1"
POLL_FACTS = (
    "id", "number", "title", "majority", "chair_breaks_tie", "chair_id", "stage", "needed", "outcome",
    "tie_decided_by_chair", "check_code", "quorum_needed", "quorum_present",
)  # fmt: skip
BUCKETS = ("in_favour", "against", "abstaining", "not_voted", "absent")


def collect(tx: Session, meeting_id: str) -> dict[str, Any]:
    """Plain JSON: the meeting, its members, every poll with its electorate and all ballots, papers by hash, the log.

    Names the members by id; instants are ISO 8601 in UTC. It goes to every delegate, so of what is the desk's alone it has the
    numbers and hashes of the events only, and no paper.
    """
    meeting = tx.get_one(Meeting, meeting_id)
    members = sorted(house_of(tx, meeting_id).members.values(), key=lambda member: member.id)
    return {
        "format": FORMAT,
        "meeting": {
            "id": meeting.id,
            "title": meeting.title,
            "body": meeting.body.name,
            "opened_at": _iso(meeting.opened_at),
            "closed_at": _iso(meeting.closed_at),
        },
        "members": {one.id: {"name": one.full_name, "votes": one.votes} for one in members},
        "polls": [_poll(tx, poll) for poll in polls_of(tx, meeting_id) if poll.closed_at],
        "papers": _papers(tx, meeting_id, Level.DELEGATE),
        "log": _seen(log_of(tx, meeting_id)),
    }


def export(tx: Session, meeting_id: str) -> dict[str, Any]:
    """The same as it stands now, for an auditor: every opened poll, each ballot with its key, the whole log, its head."""
    head = log.head(tx, meeting_id)
    polls = [_poll(tx, poll, keys=True) for poll in polls_of(tx, meeting_id) if poll.opened_at]
    return collect(tx, meeting_id) | {
        "format": EXPORT,
        "epoch": head.epoch,
        "seq": head.seq,
        "hash": head.hash,
        "polls": polls,
        "papers": _papers(tx, meeting_id, Level.DESK),
        "log": log_of(tx, meeting_id),
    }


def _poll(tx: Session, poll: Poll, *, keys: bool = False) -> dict[str, Any]:
    electorate = tx.scalars(select(PollVoter.member_id).where(PollVoter.poll_id == poll.id).order_by(PollVoter.member_id))
    ballots = tx.scalars(select(Ballot).where(Ballot.poll_id == poll.id).order_by(Ballot.cast_at, Ballot.receipt))
    return {
        **{name: getattr(poll, name) for name in POLL_FACTS},
        "opened_at": _iso(poll.opened_at),
        "closed_at": _iso(poll.closed_at),
        "tally": {bucket: getattr(poll, bucket) for bucket in BUCKETS},
        "electorate": list(electorate),
        "ballots": [
            {
                "member_id": one.member_id,
                "turn": one.turn,
                "choice": one.choice,
                "cast_at": _iso(one.cast_at),
                "receipt": one.receipt,
                "code": one.code,
                **({"key": one.key} if keys else {}),
            }
            for one in ballots
        ],
    }


def _papers(tx: Session, meeting_id: str, level: Level) -> list[dict[str, Any]]:
    return [
        {"title": paper.title, "version": number, "sha256": versions.find(tx, paper.document_id, number).sha256}
        for paper in papers_of(tx, meeting_id)
        if paper.level <= level
        for number in releases_of(tx, paper.id)
    ]


def _seen(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a delegate may see; of a stretch that is the desk's alone the numbers, and the hash to which the next one is tied.

    A count is the desk's until its outcome is declared; in the minutes all stand.
    """
    seen: list[dict[str, Any]] = []
    for event in events:
        if event["level"] <= Level.DELEGATE or event["body"]["type"] == "poll.counted":
            seen.append(event)
            continue
        if seen and "body" not in seen[-1]:
            del seen[-1]["hash"]
        seen.append({"seq": event["seq"], "hash": event["hash"]})
    return seen


def log_of(tx: Session, meeting_id: str) -> list[dict[str, Any]]:
    """Every event with the hash that ties it to all before it."""
    rows = tx.scalars(select(Event).where(Event.meeting_id == meeting_id).order_by(Event.seq))
    return [
        {"seq": row.seq, "at": _iso(row.at), "actor": row.actor, "level": row.level, "body": row.body, "hash": row.hash}
        for row in rows
    ]


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
