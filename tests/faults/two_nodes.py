"""Two nodes behind a proxy: one dies, one is drained; the bus between them is lost, emptied, and lied to."""

import asyncio
import time

import valkey

from shared.bus import CHANNEL
from shared.ids import new_id
from tests.faults.burst import Burst
from tests.faults.burst import run as in_loop
from tests.faults.cluster import Cluster
from tests.faults.history import History
from tests.faults.socket_line import Way, open_line
from tests.faults.table import Run, fault, twin

ALL_BACK, P95_BACK, DELAY = 15.0, 5.0, 2.0  # seconds
RESTART = 1012
LOGOUT = {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}, "exp": None}


async def died_and_drained(run: Run, cluster: Cluster, history: History, rounds: int) -> None:
    async with Burst(cluster, history, seed=run.seed) as burst:
        for turn in range(rounds):
            for kill in (True, False):
                node = cluster.nodes[(turn + (not kill)) % 2]  # after a death everybody is at the other
                poll = await burst.open_poll()
                voting = burst.start(burst.vote(poll, 3.0, ballots=3))
                await burst.acks(int(burst.random.uniform(0.1, 0.9) * len(burst.tablets) * 3))
                went_at = time.monotonic()
                lost = history.counts["cast", "info"]
                await burst.meanwhile(node.kill if kill else node.stop)
                run.kills += 1
                await voting
                await back(run, burst, went_at, "killed" if kill else "drained")
                if not kill:
                    run.figure("ballots told twice for a drained node, %", 100 * (history.counts["cast", "info"] - lost)
                               / (3 * len(burst.tablets)))  # fmt: skip
                await burst.close(poll)
                node.start()
                await burst.meanwhile(node.wait_ready)
        await strangers(burst)
        await burst.settle()


async def back(run: Run, burst: Burst, went_at: float, how: str) -> None:
    """How long those who were sent away were away, and that a drained node said so to each."""
    since = [[close for close in tablet.closes if close[0] >= went_at - 0.2] for tablet in burst.everybody]
    await burst.caught_up()
    away = [(tablet, closes[0]) for tablet, closes in zip(burst.everybody, since, strict=True) if closes]
    took = sorted(tablet.up_at[-1] - at for tablet, (at, _, _) in away)
    if took:
        run.figure(f"back after a node was {how}, p95, s", took[round(0.95 * (len(took) - 1))], P95_BACK)
        run.figure(f"back after a node was {how}, last, s", took[-1], ALL_BACK)
    if how == "drained":
        codes = {code for _, (_, code, _) in away}
        assert codes <= {RESTART}, f"a drained node closes with {RESTART}: {codes}"
        assert all(reason.startswith("retry_after_ms=") for _, (_, _, reason) in away), "it tells each when to come back"


async def strangers(burst: Burst) -> None:
    """A page of another site, and somebody whose sign-in has ended; the oracle counts each who gets in."""
    cluster, history = burst.cluster, burst.history
    for node in cluster.nodes:
        door = [(node.host, node.port)]
        ticket = cluster.call("m3", "POST", "ticket").json()["ticket"]
        evil = Way("http://evil.example", cluster.meeting_id, door)
        line = await open_line(evil, ticket, lambda _text: None, lambda _code, _reason: None)
        history.note("door", "ok" if line else "fail", origin=evil.origin, node=node.port)
        if line:
            line.cut()
    waiting = [cluster.call("m4", "POST", "ticket").json()["ticket"] for _ in cluster.nodes]
    word = cluster.issuer.token(
        "m4", audience="meetings-web", typ="logout+jwt", sid="sid-m4", jti=new_id(), events=LOGOUT["events"], nonce=None
    )
    answer = await asyncio.to_thread(cluster.say_logout, word)
    assert answer.status_code == 200, answer.text
    for number, node in enumerate(cluster.nodes):
        status = cluster.call("m4", "GET", "seat", node=number).status_code
        history.note("revoked", "fail" if status == 401 else "ok", voter=cluster.member_id("m4"), what=f"token: {status}")
        way = Way(cluster.address, cluster.meeting_id, [(node.host, node.port)])
        line = await open_line(way, waiting[number], lambda _text: None, lambda _code, _reason: None)
        history.note("revoked", "ok" if line else "fail", voter=cluster.member_id("m4"), what="ticket")
        if line:
            line.cut()
    for tablet in burst.tablets[:20]:
        _, seat = await tablet.http.send("GET", f"/api/meetings/{cluster.meeting_id}/seat")
        history.note("seat", "ok", voter=tablet.member_id, told=seat["member_id"])


@fault("F9", "one of two nodes behind HAProxy killed, and drained, in a vote")
def node_gone(run: Run) -> None:
    with Cluster(nodes=2, proxy=True, voters=200) as cluster:
        history = cluster.begin_history()
        in_loop(died_and_drained(run, cluster, history, 5))
        run.judge(cluster, history)


async def only_strangers(burst_of: Cluster, history: History) -> None:
    async with Burst(burst_of, history) as burst:
        await strangers(burst)
        await burst.settle()


@twin("F9", "sockets are let in from any origin")
def any_origin(run: Run) -> None:
    with Cluster(nodes=2, voters=20, twin="any-origin") as cluster:
        history = cluster.begin_history()
        in_loop(only_strangers(cluster, history))
        run.judge(cluster, history)


async def without_bus(run: Run, cluster: Cluster, history: History, rounds: int) -> None:
    """Votes while the bus is dead and while it lies; every event comes within the time of the safety net."""
    assert cluster.bus
    async with Burst(cluster, history, seed=run.seed) as burst:
        for turn in range(rounds):
            lie_to(cluster, burst, forged=turn % 2 == 0)
            await voted(run, burst, "with a bus that lies")
            cluster.bus.kill()
            run.kills += 1
            await voted(run, burst, "without a bus")
            cluster.bus.start()
            await burst.meanwhile(cluster.bus.wait_ready)
            await burst.pause(1.5)
            await voted(run, burst, "when the bus is back")
        await burst.settle()


async def voted(run: Run, burst: Burst, when: str) -> None:
    before = time.monotonic()
    poll = await burst.open_poll()
    run.figure(f"opening known to all {when}, s", time.monotonic() - before, DELAY + 1)
    await burst.vote(poll, 1.0)
    await burst.close(poll)
    run.figure(f"caught up {when}, s", await burst.caught_up(), DELAY + 1)


def lie_to(cluster: Cluster, burst: Burst, *, forged: bool) -> None:
    """Everything emptied; hints doubled, of meetings that are none, and with a number as if it were true."""
    assert cluster.bus
    with valkey.Valkey.from_url(cluster.bus.url) as client:
        client.flushall()
        for topic in (cluster.meeting_id, cluster.meeting_id, new_id(), "", "ended:", "ended:nobody", "\x00\xff" * 50):
            client.publish(CHANNEL, topic)
        if forged:
            client.publish(CHANNEL, f"{cluster.meeting_id}#{burst.desk.seq + 3}")


@fault("F12", "the bus killed, emptied, and full of forged hints", tiers="ab")
def bus_lost(run: Run) -> None:
    with Cluster(nodes=2, voters=20 if run.tier == "a" else 150) as cluster:
        history = cluster.begin_history()
        in_loop(without_bus(run, cluster, history, 1 if run.tier == "a" else 10))
        run.judge(cluster, history)


async def believed(cluster: Cluster, history: History) -> None:
    async with Burst(cluster, history) as burst:
        lie_to(cluster, burst, forged=True)
        await burst.pause(1)
        for tablet in burst.everybody:
            tablet.report()


@twin("F12", "a hint is believed as if it were content")
def hint_is_content(run: Run) -> None:
    with Cluster(nodes=2, voters=20, twin="hint-is-content") as cluster:
        history = cluster.begin_history()
        in_loop(believed(cluster, history))
        run.judge(cluster, history)
