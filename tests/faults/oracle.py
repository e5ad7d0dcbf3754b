"""Judge a meeting by two witnesses: what its clients were told, and what the service exports. Shares no code with the product.

`python oracle.py history.jsonl export.json` prints a line for each violation and ends with 1 if there are any.

I1 nothing lost      I2 nothing twice   I3 nothing invented  I4 the close is a line
I5 tally = recount   I6 the log         I7 no leak           I8 identity
"""

import hashlib
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Line = dict[str, Any]
RECEIPT = ("poll_id", "member_id", "turn", "choice", "cast_at", "receipt", "code")
BUCKETS = ("in_favour", "against", "abstaining")
WHOLE = ("meeting", "members", "agenda", "bridges", "quorum", "minutes")
ONE = {
    "paper": ("papers", "id"),
    "attendance": ("attendance", "member_id"),
    "bridge": ("bridges", "id"),
    "speech": ("speaking", "id"),
    "poll": ("polls", "id"),
}


def canonical(value: Any) -> bytes:
    """The published form that is hashed: RFC 8785 for values without floats."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def sha(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()


class Judge:
    def __init__(self, history: list[Line], export: Line) -> None:
        self.export, self.polls = export, {poll["id"]: poll for poll in export["polls"]}
        self.by: dict[tuple[str, str], list[Line]] = defaultdict(list)
        for line in history:
            self.by[line["op"], line["phase"]].append(line)
        self.box = {(poll["id"], one["key"]): one for poll in export["polls"] for one in poll["ballots"]}
        self.counted = {poll["id"]: last_of_each(poll["ballots"]) for poll in export["polls"]}

    def violations(self) -> Iterator[str]:
        yield from self.nothing_lost()
        yield from self.nothing_twice()
        yield from self.nothing_invented()
        yield from self.close_is_a_line()
        for poll in self.export["polls"]:
            yield from self.tally_is_the_recount(poll)
        yield from self.log_holds()
        yield from self.states_are_equal()
        yield from self.nothing_leaked()
        yield from self.everybody_is_themselves()

    def nothing_lost(self) -> Iterator[str]:
        first: dict[tuple[str, str], bytes] = {}
        for line in self.by["cast", "ok"]:
            where, told = (line["poll"], line["idem"]), line["receipt"]
            kept = self.box.get(where)
            if kept is None:
                yield f"I1 acknowledged and lost: poll {where[0]} key {where[1]}"
            elif kept["choice"] != line["choice"] or any(told[name] != shown(kept, name, where[0]) for name in RECEIPT):
                yield f"I1 acknowledged otherwise than kept: poll {where[0]} key {where[1]}"
            if first.setdefault(where, canonical(told)) != canonical(told):
                yield f"I1 two receipts of one key: {where[1]}"

    def nothing_twice(self) -> Iterator[str]:
        for poll in self.export["polls"]:
            for name, seen in (
                ("key", Counter(one["key"] for one in poll["ballots"])),
                ("member and turn", Counter(f"{one['member_id']} {one['turn']}" for one in poll["ballots"])),
                ("receipt", Counter(one["receipt"] for one in poll["ballots"])),
            ):
                yield from (f"I2 twice in poll {poll['id']}: {name} {what}" for what, times in seen.items() if times > 1)
            turns = defaultdict(list)
            for one in poll["ballots"]:
                turns[one["member_id"]].append(one["turn"])
            for member, numbers in turns.items():
                if sorted(numbers) != list(range(1, len(numbers) + 1)):
                    yield f"I2 turns of {member} in poll {poll['id']}: {sorted(numbers)}"

    def nothing_invented(self) -> Iterator[str]:
        invoked = {(one["poll"], one["idem"]): (one["voter"], one["choice"]) for one in self.by["cast", "invoke"]}
        ours = {poll for poll, _ in invoked}
        for (poll, key), one in self.box.items():
            if poll in ours and invoked.get((poll, key)) != (one["member_id"], one["choice"]):
                yield f"I3 nobody cast this: poll {poll} key {key}"

    def close_is_a_line(self) -> Iterator[str]:
        for line in self.by["cast", "fail"]:
            if (line["poll"], line["idem"]) in self.box:
                yield f"I4 refused ({line['code']}) and kept: poll {line['poll']} key {line['idem']}"
        closed_at = {line["poll"]: line["t_mono"] for line in self.by["close", "ok"]}
        for line in self.by["cast", "invoke"]:
            if line["t_mono"] > closed_at.get(line["poll"], float("inf")) and (line["poll"], line["idem"]) in self.box:
                yield f"I4 cast after the close was confirmed, and kept: poll {line['poll']} key {line['idem']}"
        for poll in self.export["polls"]:
            late = [one["key"] for one in poll["ballots"] if poll["closed_at"] and one["cast_at"] > poll["closed_at"]]
            yield from (f"I4 later than the close: poll {poll['id']} key {key}" for key in late)

    def tally_is_the_recount(self, poll: Line) -> Iterator[str]:
        if poll["stage"] not in ("closed", "declared"):
            return
        chosen = Counter(one["choice"] for one in self.counted[poll["id"]].values())
        electorate = set(poll["electorate"])
        recount = {name: chosen[name] for name in BUCKETS} | {"not_voted": len(electorate) - len(self.counted[poll["id"]])}
        if strangers := self.counted[poll["id"]].keys() - electorate:
            yield f"I5 not of the electorate of poll {poll['id']}: {sorted(strangers)[:3]}"
        receipts = sorted(one["receipt"] for one in self.counted[poll["id"]].values())
        code = sha(canonical([poll["id"], len(electorate), poll["needed"], receipts]))
        for where, tally, check in self.tellings(poll):
            if any(tally[name] != recount[name] for name in recount):
                yield f"I5 poll {poll['id']}: {where} says {tally}, the ballots say {recount}"
            if check != f"{code[:4]}-{code[4:8]}".upper():
                yield f"I5 poll {poll['id']}: the check code of {where} is not that of the receipts"

    def tellings(self, poll: Line) -> Iterator[tuple[str, Line, str]]:
        """Everywhere that a result is told: the table, the events, each node's state."""
        yield "the table", poll["tally"], poll["check_code"]
        counted = 0
        for event in self.export["log"]:
            view = event["body"].get("poll")
            if view and view["id"] == poll["id"] and view["tally"]:
                counted += 1
                yield f"event {event['seq']}", view["tally"], view["check_code"]
        for line in self.by["snapshot", "ok"]:
            view = line["state"] and line["state"]["polls"].get(poll["id"])
            if view and view["tally"]:
                yield f"the state at level {line['level']}", view["tally"], view["check_code"]
        if not counted:
            yield "the log, which does not tell it,", dict.fromkeys((*BUCKETS, "not_voted"), -1), ""

    def log_holds(self) -> Iterator[str]:
        previous = ""
        for place, event in enumerate(self.export["log"], 1):
            body = [event["seq"], event["at"], event["actor"], event["level"], event["body"]]
            if event["seq"] != place or event["hash"] != sha(previous.encode() + canonical(body)):
                yield f"I6 the log does not hold at {place}"
                return
            previous = event["hash"]
        if (self.export["seq"], self.export["hash"]) != (len(self.export["log"]), previous):
            yield f"I6 the head is {self.export['seq']}, the log has {len(self.export['log'])} events"

    def states_are_equal(self) -> Iterator[str]:
        """Each client's applied state is the nodes' at the same place of the log, and that of an own fold of the log."""
        known: dict[tuple[int, int], str] = {}
        starts: dict[int, tuple[int, Line]] = {}
        for line in self.by["snapshot", "ok"]:
            if known.setdefault((line["seq"], line["level"]), line["digest"]) != line["digest"]:
                yield f"I6 two nodes tell level {line['level']} two states at {line['seq']}"
            if line["state"]:
                begun = starts.setdefault(line["level"], (line["seq"], line["state"]))
                if sha(canonical(self.fold(*begun, line["seq"], line["level"]))) != line["digest"]:
                    yield f"I6 the events after {begun[0]} do not lead to the state at {line['seq']}, level {line['level']}"
        for line in self.by["state", "ok"]:
            if line["seq"] > self.export["seq"]:
                yield f"I6 {line['voter']} stands at {line['seq']}, beyond the log"
            if known.get((line["seq"], line["level"]), line["digest"]) != line["digest"]:
                yield f"I6 {line['voter']} stands elsewhere than the service at {line['seq']}"

    def fold(self, since: int, state: Line, until: int, level: int) -> Line:
        state = dict(state)
        for event in self.export["log"][since:until]:
            if event["level"] > level:
                continue
            body = event["body"]
            state |= {name: body[name] for name in WHOLE if name in body}
            for name, (field, key) in ONE.items():
                if name in body:
                    state[field] = state[field] | {body[name][key]: body[name]}
            if "speeches" in body:
                state["speaking"] = state["speaking"] | body["speeches"]
        return state

    def nothing_leaked(self) -> Iterator[str]:
        """What each reader heard is what it may hear, once and in order, with nothing left out between."""
        names = {event["seq"]: sha(canonical(event["body"]))[:16] for event in self.export["log"]}
        levels = {event["seq"]: event["level"] for event in self.export["log"]}
        for line in self.by["heard", "ok"]:
            at, expected = 0, list[int]()
            for seq, name in line["events"]:
                if seq == "snapshot":
                    if expected and expected[0] <= min(at, int(name)):
                        yield f"I6 {line['voter']} was not told {expected[0]}"
                    at = int(name)
                    expected = [one for one in range(at + 1, line["seq"] + 1) if levels.get(one, 99) <= line["level"]]
                    continue
                if names.get(seq) != name:
                    yield f"I7 {line['voter']} heard another {seq} than the log has"
                if levels.get(seq, 99) > line["level"]:
                    yield f"I7 {line['voter']} at level {line['level']} heard {seq}"
                elif not expected or expected.pop(0) != seq:
                    yield f"I6 {line['voter']} was told {seq} out of turn"
                    break
            else:
                if expected:
                    yield f"I6 {line['voter']} stands at {line['seq']} and was not told {expected[0]}"
        for line in self.by["door", "ok"]:
            yield f"I7 let in from {line['origin']}"

    def everybody_is_themselves(self) -> Iterator[str]:
        for line in self.by["cast", "ok"]:
            if line["receipt"]["member_id"] != line["voter"]:
                yield f"I8 {line['voter']} was given the receipt of {line['receipt']['member_id']}"
        for line in self.by["seat", "ok"]:
            if line["told"] != line["voter"]:
                yield f"I8 {line['voter']} was shown the seat of {line['told']}"
        for line in self.by["revoked", "ok"]:
            yield f"I8 taken after its sign-in had ended: {line['voter']} {line['what']}"


def shown(kept: Line, name: str, poll: str) -> Any:
    """A kept field as a receipt shows it: instants with Z."""
    value = poll if name == "poll_id" else kept[name]
    return value.replace("+00:00", "Z") if name == "cast_at" else value


def last_of_each(ballots: list[Line]) -> dict[str, Line]:
    return {one["member_id"]: one for one in sorted(ballots, key=lambda one: one["turn"])}


def main(history: str, export: str) -> int:
    with Path(history).open() as file:
        lines = [json.loads(line) for line in file]
    found = list(Judge(lines, json.loads(Path(export).read_text())).violations())
    for line in found:
        print(line)
    print(f"{len(lines)} lines of history, {len(found)} violations")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
