"""Count the votes in the evidence again. Shares no code with the voting room and needs nothing but the standard library."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

FORMAT = "dienhong-evidence-1"
LOGGED = ("number", "title", "majority", "chair_breaks_tie", "needed", "tally", "outcome", "check_code")


@dataclass
class Recount:
    """What was found; the evidence holds when `faults` is empty. Words for a fault: `fault.<code>` with its facts."""

    title: str = ""
    polls: list[dict[str, Any]] = field(default_factory=list)  # number, title, tally, needed, electorate, outcome, ok
    ballots: list[dict[str, str]] = field(default_factory=list)  # code, choice, poll
    events: int = 0
    faults: list[tuple[str, dict[str, Any]]] = field(default_factory=list)


def recount(evidence: Any) -> Recount:
    """Check the log's chain, and each poll's ballots, tally, rule, outcome and check code. Never raises."""
    found = Recount()
    try:
        _canonical(evidence)  # of what has no such form nothing can be said
        if evidence["format"] != FORMAT:
            raise ValueError(evidence["format"])
        found.title = str(evidence["meeting"]["title"])
        _check_log(evidence["log"], found)
        told = [event["body"] for event in evidence["log"] if "body" in event]
        counts = [body["poll"] for body in told if body["type"] == "poll.counted"]
        for poll in evidence["polls"]:
            _check_poll(poll, counts, set(evidence["members"]), found)
        if sorted(poll["id"] for poll in counts) != sorted(poll["id"] for poll in evidence["polls"]):
            found.faults.append(("polls", {}))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        found.faults.append(("unreadable", {"what": f"{type(error).__name__}: {error}"[:100]}))
    return found


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def _check_log(log: list[dict[str, Any]], found: Recount) -> None:
    """What is the desk's alone stands in it by number, with the hash to which the next event is tied."""
    previous = ""
    for expected, event in enumerate(log, 1):
        if "body" not in event and event["seq"] == expected:
            previous = str(event.get("hash"))
            continue
        body = [event["seq"], event["at"], event["actor"], event["level"], event["body"]]
        chained = hashlib.sha256(previous.encode() + _canonical(body)).hexdigest()
        if event["seq"] != expected or event["hash"] != chained:
            found.faults.append(("log", {"seq": expected}))
            return
        previous = chained
    found.events = len(log)


def _check_poll(poll: dict[str, Any], counts: list[dict[str, Any]], members: set[str], found: Recount) -> None:
    electorate = set(poll["electorate"])
    last: dict[str, dict[str, Any]] = {}
    for ballot in poll["ballots"]:
        kept = last.get(ballot["member_id"])
        if kept is None or kept["turn"] < ballot["turn"]:
            last[ballot["member_id"]] = ballot
    chosen = {name: sum(one["choice"] == name for one in last.values()) for name in ("in_favour", "against", "abstaining")}
    total = len(electorate)
    silent = total - len(last)
    told = poll["tally"]
    least = total // 2 + 1 if poll["majority"] == "more_than_half" else -(-2 * total // 3)
    code = hashlib.sha256(_canonical([poll["id"], total, least, sorted(one["receipt"] for one in last.values())])).hexdigest()
    logged = [count for count in counts if count["id"] == poll["id"]]
    checks = {
        "stranger": set(last) <= electorate <= members,
        "late": all(_within(ballot["cast_at"], poll) for ballot in poll["ballots"]),
        "turns": len({(one["member_id"], one["turn"]) for one in poll["ballots"]}) == len(poll["ballots"]),
        "tally": {**chosen, "not_voted": silent} == {name: told[name] for name in (*chosen, "not_voted")},
        "absent": 0 <= told["absent"] <= silent,
        "needed": least == poll["needed"],
        "outcome": _outcome(poll, chosen, last, least) == poll["outcome"],
        "check-code": f"{code[:4]}-{code[4:8]}".upper() == poll["check_code"],
        "log": len(logged) == 1 and all(logged[0][name] == poll[name] for name in LOGGED),
    }
    faults = [name for name, holds in checks.items() if not holds]
    found.faults += [(f"poll-{name}", {"number": poll["number"]}) for name in faults]
    found.ballots += [{"code": one["code"], "choice": one["choice"], "poll": poll["number"]} for one in last.values()]
    found.polls.append(
        {
            "number": poll["number"],
            "title": poll["title"],
            "tally": told,
            "needed": poll["needed"],
            "electorate": total,
            "outcome": poll["outcome"],
            "ok": not faults,
        }
    )


def _within(cast_at: str, poll: dict[str, Any]) -> bool:
    opened, cast, closed = (datetime.fromisoformat(at) for at in (poll["opened_at"], cast_at, poll["closed_at"]))
    return opened <= cast <= closed


def _outcome(poll: dict[str, Any], chosen: dict[str, int], last: dict[str, dict[str, Any]], least: int) -> str:
    if poll["chair_breaks_tie"] and poll["majority"] == "more_than_half" and chosen["in_favour"] == chosen["against"] > 0:
        side = last.get(poll["chair_id"] or "", {}).get("choice")
        return "carried" if side == "in_favour" else "not_carried"
    return "carried" if chosen["in_favour"] >= least and poll["electorate"] else "not_carried"
