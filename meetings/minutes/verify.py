"""Is this file the signed minutes it claims to be? Needs the file and the trusted authorities, and nothing else."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from meetings.minutes.actions import EVIDENCE
from meetings.minutes.draft import VIETNAM
from meetings.minutes.recount import Recount, recount
from shared.clock import now
from shared.ids import fingerprint
from shared.words import say

if TYPE_CHECKING:
    from docs_store.validation import Validation


@dataclass(frozen=True)
class Line:
    ok: bool
    text: str


@dataclass
class Report:
    """`ok` only if every signature holds, both who must have signed, and the votes add up."""

    lines: list[Line] = field(default_factory=list)
    validation: "Validation | None" = None
    counted: Recount = field(default_factory=Recount)

    @property
    def ok(self) -> bool:
        return bool(self.lines) and all(line.ok for line in self.lines)


def report(pdf: bytes, roots: bytes, language: str) -> Report:
    """Every check in words, in the order in which a person would ask."""
    from docs_store.validation import validate_untrusted  # loads pyHanko; see minutes/actions.py

    validation = validate_untrusted(pdf, [roots] if roots else [], now=now())
    found = Report(validation=validation)

    def tell(ok: bool, key: str, **facts: Any) -> None:
        found.lines.append(Line(ok, say(language, ("meetings",), f"verify.line.{key}", **facts)))

    for fault in validation.faults:
        tell(False, f"fault.{fault.kind}", field=_who(language, fault.field))
    for one in validation.signatures:
        holds = one.intact and one.trusted
        key = "signature" if one.stamped_at else "signature-without-time"
        tell(
            holds,
            key if holds else "signature-broken",
            role=_who(language, one.field),
            name=one.signer,
            at=instant(one.stamped_at or one.claimed_at),
        )
    fields = [one.field for one in validation.signatures]
    if fields != ["secretary", "chair"]:
        tell(False, "not-both")
    elif validation.ok:
        tell(True, "unchanged", fingerprint=fingerprint(validation.sha256, 4))
    _tell_votes(found, tell)
    return found


def _tell_votes(found: Report, tell: Any) -> None:
    attached = found.validation.attachments.get(EVIDENCE) if found.validation else None
    if attached is None:
        tell(False, "no-evidence")
        return
    try:
        found.counted = recount(json.loads(attached))
    except (ValueError, RecursionError):
        tell(False, "fault.evidence")
        return
    for code, facts in found.counted.faults:
        tell(False, f"count.{code}", **facts)
    if not found.counted.faults:
        tell(True, "log", events=found.counted.events)
    for poll in found.counted.polls:
        tally = poll["tally"]
        outcome = "carried" if poll["outcome"] == "carried" else "not-carried"
        facts = {name: poll[name] for name in ("number", "title", "needed", "electorate")}
        if poll["ok"]:
            tell(True, f"poll.{outcome}", in_favour=tally["in_favour"], **facts)


def _who(language: str, signature_field: str) -> str:
    return say(language, ("meetings",), f"verify.who.{signature_field}") if signature_field in ("secretary", "chair") else ""


def instant(iso: str | None) -> str:
    """In Vietnam time; as the file has it where the calendar ends before that."""
    try:
        return datetime.fromisoformat(iso).astimezone(VIETNAM).strftime("%H:%M:%S %d/%m/%Y +07:00") if iso else "–"
    except OverflowError:
        return str(iso)
