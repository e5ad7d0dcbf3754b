"""The short tier of the faults, and that the oracle sees each kind of violation: a judge that finds nothing proves nothing.

Kills on SQLite are in tests/flows/test_kill.py.
"""

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import __main__ as faults
from tests.faults.burst import Burst
from tests.faults.burst import run as in_loop
from tests.faults.cluster import Cluster, Skip
from tests.faults.database import kill_database
from tests.faults.history import History
from tests.faults.kills import restart
from tests.faults.races import races
from tests.faults.table import FAULTS, ORACLE, Run

PATIENCE = pytest.mark.timeout(600)  # on a machine that has much else to do, processes start slowly


async def evening(run: Run, cluster: Cluster, history: History) -> None:
    """A vote in which a node dies, one in which the database does, and ballots that race the close."""
    async with Burst(cluster, history) as burst:
        for deed in (lambda: restart(cluster.nodes[0]), lambda: kill_database(run, cluster, 0)):
            poll = await burst.open_poll()
            voting = burst.start(burst.vote(poll, 1.0, ballots=2))
            await burst.acks(len(burst.tablets))
            await burst.meanwhile(deed)
            await voting
            await burst.close(poll)
        await burst.settle()


@PATIENCE
def test_an_evening_of_faults_loses_nothing_and_doubles_nothing():
    run = Run("short", "an evening of faults", "a", seed=1)
    try:
        with Cluster(nodes=2, voters=30) as cluster:
            history = cluster.begin_history()
            in_loop(evening(run, cluster, history))
            in_loop(races(run, cluster, history, 3))
            assert run.judge(cluster, history) == []
    except Skip as missing:
        pytest.skip(str(missing))
    assert history.acks >= 2 * 30 * 2
    assert history.counts["close", "ok"] == 5


def test_every_fault_is_in_the_table_once_and_has_its_title():
    faults.load()
    assert {"F1", "F1b", "F2", "F5", "F6", "F7", "F9", "F11", "F12", "F15", "F17", "F19", "F22", "F23"} <= FAULTS.keys()
    assert all(entry.title and set(entry.tiers) <= {"a", "b"} for entry in FAULTS.values())


def ballot(member: str, key: str, choice: str = "in_favour", turn: int = 1) -> dict:
    at = "2026-12-09T01:00:01+00:00"
    known = {"member_id": member, "key": key, "choice": choice, "turn": turn, "cast_at": at}
    return known | {"receipt": f"r-{key}", "code": f"c-{key}"}


def told(one: dict) -> dict:
    known = {name: value for name, value in one.items() if name != "key"}
    return known | {"poll_id": "p", "cast_at": one["cast_at"].replace("+00:00", "Z")}


def witnesses() -> tuple[list[dict], dict]:
    """A poll that three may vote in and two did, as its clients and the export tell it."""
    sys.path.insert(0, str(ORACLE.parent))
    import oracle

    ballots = [ballot("m1", "k1"), ballot("m2", "k2", "against")]
    tally = {"in_favour": 1, "against": 1, "abstaining": 0, "not_voted": 1, "absent": 0}
    code = oracle.sha(oracle.canonical(["p", 3, 2, ["r-k1", "r-k2"]]))
    check = f"{code[:4]}-{code[4:8]}".upper()
    view = {"id": "p", "tally": tally, "check_code": check}
    bodies = [{"type": "poll.opened", "poll": {"id": "p", "tally": None}}, {"type": "poll.counted", "poll": view}]
    log, previous = [], ""
    for seq, body in enumerate(bodies, 1):
        level = 2 * (seq - 1)
        previous = oracle.sha(previous.encode() + oracle.canonical([seq, "t", "a", level, body]))
        log.append({"seq": seq, "at": "t", "actor": "a", "level": level, "body": body, "hash": previous})
    poll = {"id": "p", "stage": "closed", "electorate": ["m1", "m2", "m3"], "needed": 2, "tally": tally, "check_code": check}
    poll |= {"closed_at": "2026-12-09T01:00:02+00:00", "ballots": ballots}
    history = []
    for at, one in enumerate(ballots):
        known = {"op": "cast", "voter": one["member_id"], "poll": "p", "idem": one["key"], "choice": one["choice"]}
        history += [known | {"phase": "invoke", "t_mono": at}, known | {"phase": "ok", "t_mono": at, "receipt": told(one)}]
    late = {"op": "cast", "voter": "m3", "poll": "p", "idem": "k3", "choice": "against"}
    history += [late | {"phase": "invoke", "t_mono": 5}, late | {"phase": "fail", "t_mono": 6, "code": "poll-not-open"}]
    history.append({"op": "close", "phase": "ok", "poll": "p", "t_mono": 4})
    heard = [["snapshot", "0"], [1, oracle.sha(oracle.canonical(bodies[0]))[:16]]]
    history.append({"op": "heard", "phase": "ok", "voter": "m1", "level": 1, "seq": 2, "events": heard})
    for op in ("state", "snapshot"):
        history.append({"op": op, "phase": "ok", "voter": "m1", "level": 1, "seq": 2, "digest": "d", "state": None})
    history.append({"op": "seat", "phase": "ok", "voter": "m1", "told": "m1"})
    return history, {"polls": [poll], "log": log, "seq": 2, "hash": previous}


def lose(history, export):
    export["polls"][0]["ballots"].pop()


def change(history, export):
    export["polls"][0]["ballots"][0]["choice"] = "abstaining"


def double(history, export):
    export["polls"][0]["ballots"].append(ballot("m1", "k1"))


def invent(history, export):
    export["polls"][0]["ballots"].append(ballot("m3", "k9"))


def keep_refused(history, export):
    export["polls"][0]["ballots"].append(ballot("m3", "k3", "against"))


def miscount(history, export):
    export["polls"][0]["tally"] = export["polls"][0]["tally"] | {"in_favour": 2}


def rewrite(history, export):
    export["log"][0]["actor"] = "b"


def cut_the_tail(history, export):
    export["log"].pop()


def another_state(history, export):
    next(line for line in history if line["op"] == "state")["digest"] = "other"


def untold(history, export):
    next(line for line in history if line["op"] == "heard")["events"].pop()


def leak(history, export):
    heard = next(line for line in history if line["op"] == "heard")
    heard["events"].append([2, "x"])


def another_receipt(history, export):
    next(line for line in history if line["op"] == "cast" and line["phase"] == "ok")["receipt"]["member_id"] = "m2"


def anothers_seat(history, export):
    next(line for line in history if line["op"] == "seat")["told"] = "m2"


def let_in(history, export):
    history.append({"op": "revoked", "phase": "ok", "voter": "m1", "what": "token"})


SEEN = {
    "I1": [lose, change],
    "I2": [double],
    "I3": [invent],
    "I4": [keep_refused],
    "I5": [miscount],
    "I6": [rewrite, cut_the_tail, another_state, untold],
    "I7": [leak],
    "I8": [another_receipt, anothers_seat, let_in],
}


def judged(folder: Path, history: list[dict], export: dict) -> list[str]:
    (folder / "h").write_text("\n".join(map(json.dumps, history)))
    (folder / "e").write_text(json.dumps(export))
    done = subprocess.run([sys.executable, "-I", ORACLE, folder / "h", folder / "e"], capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    return [line[:2] for line in done.stdout.splitlines() if line.startswith("I")]


def test_the_oracle_has_nothing_to_say_about_what_holds(tmp_path):
    assert judged(tmp_path, *witnesses()) == []


@pytest.mark.parametrize(("invariant", "harm"), [(name, harm) for name, harms in SEEN.items() for harm in harms])
def test_the_oracle_sees_each_kind_of_violation(tmp_path, invariant, harm):
    history, export = copy.deepcopy(witnesses())
    harm(history, export)
    assert invariant in judged(tmp_path, history, export)


def test_the_oracle_knows_nothing_of_the_product():
    source = ORACLE.read_text("utf-8")
    imported = {line.split()[1].split(".")[0] for line in source.splitlines() if line.startswith(("import ", "from "))}
    assert imported <= sys.stdlib_module_names


def report(path: Path, runs: int, seconds: float, *violations: str) -> Path:
    run = Run("F1", "a kill", "b", 1, runs=runs, kills=runs, acks=100 * runs, violations=list(violations))
    run.figure("ready, s", seconds, 5)
    path.unlink(missing_ok=True)
    faults.write([run], "b", path)
    return path


def test_reports_of_several_runs_are_added_up_and_the_worst_figure_stays(tmp_path):
    whole, more = report(tmp_path / "whole", 2, 3.0), tmp_path / "more"
    faults.add(whole, report(more, 1, 7.0, "I1 lost"))
    faults.add(whole, report(more, 4, 1.0))
    faults.add(whole, report(more, 0, 99.0))
    [row] = json.loads(whole.read_text())["faults"]
    assert [row[name] for name in ("runs", "kills", "acks", "violations")] == [7, 7, 700, ["I1 lost"]]
    assert row["figures"]["ready, s"] == {"value": 7.0, "limit": 5, "ok": False}
