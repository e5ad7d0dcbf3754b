"""The minutes as sections of words, in form 1.9 of Decree 30/2020/NĐ-CP (biên bản), from the facts."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from meetings.live.views import MemberView, PollView
from meetings.minutes.facts import Facts
from shared.words import say

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")
LOCALES = ("meetings",)
SECTIONS = ("opening", "attendance", "content", "voting", "closing")
# What the minutes' font has: Latin, Greek, Cyrillic, Vietnamese, common punctuation, currencies, arrows.
LETTERS = "\u00a0-\u0377\u0391-\u03a1\u03a3-\u052f\u1e00-\u1eff"
SIGNS = "\u2010-\u2027\u2030-\u205e\u20a0-\u20be\u2100-\u214f\u2190-\u2195\u2212\u2264\u2265"
UNPRINTABLE = re.compile(f"[^\t\r\n -~{LETTERS}{SIGNS}]")


@dataclass(frozen=True)
class VoteTable:
    """One poll as the minutes show it; the five numbers add up to the whole body."""

    number: str
    heading: str
    counts: list[int]
    sum: str
    ballots: list[list[str]]  # code, name, choice of every ballot that counts


@dataclass(frozen=True)
class Section:
    """`paragraphs` come from the log and are locked; `text` is the secretary's."""

    key: str
    title: str
    paragraphs: list[str]
    text: str
    votes: list[VoteTable] = field(default_factory=list)


def printable(value: Any) -> Any:
    """`value` with � in all its texts for each sign that the font lacks: with one of those there would be no page at all."""
    if isinstance(value, str):
        return UNPRINTABLE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {name: printable(one) for name, one in value.items()}
    return [printable(one) for one in value] if isinstance(value, list) else value


def clock(at: datetime | None) -> str:
    """`10 giờ 42 phút`, Vietnam time."""
    return at.astimezone(VIETNAM).strftime("%H giờ %M phút") if at else "…"


def day(at: datetime | None) -> str:
    """`ngày 09 tháng 12 năm 2026`, Vietnam time."""
    return at.astimezone(VIETNAM).strftime("ngày %d tháng %m năm %Y") if at else "…"


def _say(key: str, **facts: object) -> str:
    return say("vi", LOCALES, f"minutes.{key}", **facts)  # official minutes are in Vietnamese


def _name(member: MemberView) -> str:
    return f"{member.honorific.lower()} {member.full_name}".strip()


def sections(facts: Facts, texts: dict[str, str]) -> list[Section]:
    bodies = {
        "opening": _opening(facts),
        "attendance": _attendance(facts),
        "content": _content(facts),
        "voting": [] if facts.polls else [_say("no-votes")],
        "closing": [_say("closed", clock=clock(facts.meeting.closed_at), day=day(facts.meeting.closed_at))],
    }
    votes = [_vote(facts, poll) for poll in facts.polls]
    return [
        Section(
            key=key,
            title=_say(f"title.{key}"),
            paragraphs=bodies[key],
            text=texts.get(key, ""),
            votes=votes if key == "voting" else [],
        )
        for key in SECTIONS
    ]


def _opening(facts: Facts) -> list[str]:
    meeting, members = facts.meeting, facts.members
    lines = [_say("opened", clock=clock(meeting.opened_at), day=day(meeting.opened_at), place=meeting.place or "…")]
    for role, member_id in (("chair", meeting.chair_id), ("secretary", meeting.secretary_id)):
        if member_id in members:
            lines.append(_say(role, name=_name(members[member_id]), post=members[member_id].post))
    return lines


def _attendance(facts: Facts) -> list[str]:
    present, missing = facts.present(), facts.missing()
    excused = [one for one in missing if one.id in facts.roll and facts.roll[one.id].state == "excused"]
    lines = [
        _say("roll", total=len(facts.voters), present=len(present), absent=len(missing), excused=len(excused)),
    ]
    if facts.quorum:
        outcome = _say("quorum.reached" if facts.quorum.reached else "quorum.short")
        lines.append(
            _say("quorum", needed=facts.quorum.needed, total=facts.quorum.total, present=facts.quorum.present, outcome=outcome)
        )
    for one in missing:
        if came := facts.came.get(one.id):
            lines.append(_say("came-late", name=_name(one), clock=clock(came)))
        else:
            lines.append(_say("missing", name=_name(one), reason=_reason(facts, one)))
    for one in facts.gone():
        left = clock(facts.attendance[one.id].at)
        lines.append(_say("left-early", name=_name(one), clock=left, reason=_reason(facts, one)))
    return lines + _bridges(facts)


def _reason(facts: Facts, member: MemberView) -> str:
    return facts.reasons.get(member.id) or _say("no-reason")


def _bridges(facts: Facts) -> list[str]:
    bridges = sorted(facts.bridges.values(), key=lambda bridge: bridge.place)
    if not bridges:
        return []
    rolls = [f"{one.name} {one.roll.present}/{one.roll.total}" for one in bridges if one.roll]
    lines = [_say("bridges", count=len(bridges), rolled=len(rolls))]
    if rolls:
        lines.append(_say("bridge-rolls", rolls="; ".join(rolls)))
    for outage in (one for one in facts.outages if one.bridge_id in facts.bridges):
        name, start, end = facts.bridges[outage.bridge_id].name, clock(outage.start), clock(outage.end)
        lines.append(_say("bridge-lost", name=name, start=start, end=end))
    if facts.outages and not facts.lost_counts:
        lines.append(_say("bridge-not-counted"))
    return lines


def _content(facts: Facts) -> list[str]:
    lines = []
    for at, item_id in facts.entered:
        if item := facts.agenda.get(item_id):
            presenter = _say("presented", presenter=item.presenter) if item.presenter else ""
            lines.append(_say("item", clock=clock(at), number=item.number, title=item.title) + presenter)
        for spoke in (one for one in facts.spoke if one.item_id == item_id):
            member = facts.members.get(spoke.member_id)
            if member:
                length = f"{spoke.used // 60} phút {spoke.used % 60:02} giây"
                lines.append(_say(f"spoke.{spoke.kind}", name=_name(member), clock=clock(spoke.at), length=length))
    for start, end in facts.adjourned:
        lines.append(_say("adjourned", start=clock(start), end=clock(end)) if end else _say("rose", start=clock(start)))
    return list(dict.fromkeys(lines))


def _vote(facts: Facts, poll: PollView) -> VoteTable:
    tally = poll.tally
    counts = (
        [tally.in_favour, tally.against, tally.abstaining, tally.not_voted - tally.absent, tally.absent] if tally else [0] * 5
    )
    tenths = (2000 * counts[0] + poll.electorate) // (2 * poll.electorate) if poll.electorate else 0  # of a percent, rounded
    share = f"{tenths // 10},{tenths % 10}"
    result = _say(f"outcome.{poll.outcome}")
    tie = _say("tie") if poll.tie_decided_by_chair else ""
    return VoteTable(
        number=poll.number,
        heading=_say("poll", number=poll.number, title=poll.title, opened=clock(poll.opened_at), closed=clock(poll.closed_at)),
        counts=counts,
        sum=_say(
            "sum",
            electorate=poll.electorate,
            present=poll.quorum.present if poll.quorum else 0,
            needed=poll.needed,
            in_favour=counts[0],
            share=share,
            outcome=result,
            check_code=poll.check_code,
        )
        + tie,
        ballots=[
            [one.code, facts.members[one.member_id].full_name, _say(f"choice.{one.choice}")]
            for one in facts.ballots[poll.id]
            if one.member_id in facts.members
        ],
    )
