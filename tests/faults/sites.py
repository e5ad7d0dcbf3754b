"""154 sites lose their lines at once and return at once: silently, with resets, for long, again and again."""

import json
import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select, update

from meetings.agenda.models import Meeting
from meetings.attendance.actions import tell_meetings
from meetings.bodies.models import Bridge, Member
from meetings.bridges.actions import import_bridges
from meetings.bridges.sheet import BridgeRow
from shared import clock
from tests.faults.burst import DEVICES, Burst
from tests.faults.burst import run as in_loop
from tests.faults.cluster import Cluster
from tests.faults.history import History
from tests.faults.network import cut, heal, own_network, rss
from tests.faults.processes import Node
from tests.faults.table import Run, fault
from tests.faults.tablet import Tablet

SITES, SITES_NET, OTHERS_NET = 154, "127.1.0.0/16", "127.2.0.0/16"
OTHERS = 6  # sites that stay
DROPPED, P95_BACK, ALL_BACK, TRIES, P99_STORM = 45.0, 15.0, 30.0, 6, 2.0
RESET = "reject with tcp reset"


@dataclass(frozen=True)
class Loss:
    """`verdict`: of nft, on whatever a site sends or is sent. `rooms`: each site is a bridge, and nobody at all stays."""

    verdict: str = "drop"
    seconds: float = 60.0
    times: int = 1
    between: float = 10.0
    rooms: bool = False

    def begin(self) -> None:
        flags = "tcp flags & rst == 0 " if self.verdict == RESET else ""  # or the resets themselves would be rejected
        nets = [SITES_NET, OTHERS_NET] if self.rooms else [SITES_NET]
        cut(*(f"{flags}ip {end} {net}" for net in nets for end in ("saddr", "daddr")), verdict=self.verdict)


def address_of(site: int) -> str:
    """The desk is at -1."""
    return f"127.{1 if 0 <= site < SITES else 2}.{site // 250 % 250}.{1 + site % 250}"


def lines_of(node: Node) -> int:
    """Connections of sites that the node holds open."""
    count = 0
    for line in Path(f"/proc/{node.pid}/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, *_ = line.split()
        count += int(local.split(":")[1], 16) == node.port and remote[4:8] == "017F" and state == "01"
    return count


def cpu(pid: int) -> float:
    """Seconds."""
    used = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, used)) / os.sysconf("SC_CLK_TCK")


async def sites_cut(run: Run, cluster: Cluster, history: History, loss: Loss, devices: int) -> None:
    """Everybody votes meanwhile; those who stay change their minds, also while the sites come back."""
    node, whole = cluster.nodes[0], loss.times * (loss.seconds + loss.between)
    async with Burst(cluster, history, seed=run.seed, devices=devices, source=address_of) as burst:
        gone, stay = burst.tablets[: SITES * devices], burst.tablets[SITES * devices :]
        memory = rss(node)
        assert lines_of(node) >= len(gone)
        if loss.rooms:
            await burst.until_blocking(lambda: all_are(cluster, "up"), 120, "nobody has come to some bridge")
        poll = await burst.open_poll()
        await burst.meanwhile(cluster.issuer.close)  # nobody who comes back needs it
        voting = burst.start(burst.vote(poll, whole - loss.between, tablets=gone))
        changing = burst.start(burst.vote(poll, whole + P95_BACK, tablets=stay, ballots=4))
        for turn in range(loss.times):
            if turn:
                heal()
                await burst.pause(loss.between)
            loss.begin()
            cut_at = time.monotonic()
            if loss.seconds > DROPPED:
                await burst.until(lambda: lines_of(node) == 0, loss.seconds, "dead sockets are kept")
                run.figure("the service lets go of dead sockets after, s", time.monotonic() - cut_at, DROPPED)
            if loss.rooms:
                await burst.until_blocking(lambda: all_are(cluster, "lost"), loss.seconds, "some bridge is not lost")
                run.figure("all bridges are lost after, s", time.monotonic() - cut_at)
            await burst.pause(max(0.0, cut_at + loss.seconds - time.monotonic()))
        healed_at = await back(run, burst, gone)
        if loss.rooms:
            await burst.until_blocking(lambda: all_are(cluster, "up"), 120, "some bridge is not back")
        ballots = await voting + await changing
        assert all(ballot.receipt for ballot in ballots), "a ballot was refused for a line that was lost"
        if not loss.rooms:
            p99 = history.percentile(0.99, outside=[(0.0, healed_at)])
            run.figure("p99 of an acknowledgement to the others meanwhile, s", p99, P99_STORM)
        run.figure("memory of the service grew by, %", 100 * (rss(node) / memory - 1), 25)
        await burst.close(poll)
        await burst.settle()


async def back(run: Run, burst: Burst, gone: list[Tablet]) -> float:
    """The lines hold again, and all come at once; since when."""
    for tablet in gone:
        tablet.up_at, tablet.tries, tablet.most_tries = [], int(not tablet.up), 0  # a try may be under way
    node = burst.cluster.nodes[0]
    heal()
    healed_at, used, own = time.monotonic(), cpu(node.pid), time.process_time()
    run.figure("all at the head of the log after, s", await burst.caught_up(), ALL_BACK)
    run.figure("meanwhile the service used of a core, s", cpu(node.pid) - used)
    run.figure("meanwhile the tablets used of a core, s", time.process_time() - own)
    took = sorted(tablet.up_at[-1] - healed_at for tablet in gone if tablet.up_at)
    if took:
        run.figure("back and caught up, p95, s", took[round(0.95 * (len(took) - 1))], P95_BACK)
        run.figure("back and caught up, last, s", took[-1], ALL_BACK)
    run.figure("sites", len({tablet.site for tablet in gone}))
    run.figure("devices", len(gone))
    run.figure("devices whose line was lost", len(took))
    run.figure("tries of one device", max(tablet.most_tries for tablet in gone), TRIES)
    return healed_at


def seat(cluster: Cluster, devices: int) -> None:
    """Each site is a bridge of the body, at which its members sit."""
    with cluster.looking() as db, db.write() as tx:
        now, body_id = clock.now(), tx.get_one(Meeting, cluster.meeting_id).body_id
        names = [f"Xã {site}" for site in range(SITES)]
        import_bridges(tx, now, body_id, [BridgeRow(name, name, "", "", "") for name in names], [], "-")
        bridges = tx.scalars(select(Bridge.id).where(Bridge.body_id == body_id).order_by(Bridge.number)).all()
        for site, bridge in enumerate(bridges):
            those = Member.id.in_(cluster.members[site * devices : (site + 1) * devices])
            tx.execute(update(Member).where(those).values(bridge_id=bridge))
        tell_meetings(tx, now, body_id, "-")


def all_are(cluster: Cluster, stands: str) -> bool:
    """Every bridge; and the body has its quorum only with those who sit there."""
    told = cluster.insist("chair", "GET", "")["state"]
    bridges = {bridge["state"] for bridge in told["bridges"].values()}
    return bridges == {stands} and told["quorum"]["reached"] == (stands == "up")


def lose(run: Run, loss: Loss, devices: int) -> None:
    with own_network(), Cluster(voters=(SITES + OTHERS) * devices) as cluster:
        if loss.rooms:
            seat(cluster, devices)
        history = cluster.begin_history()
        in_loop(sites_cut(run, cluster, history, loss, devices))
        run.judge(cluster, history)
        if loss.rooms:
            log = json.loads((cluster.folder / "export.json").read_text())["log"]
            happened = Counter(event["body"]["type"] for event in log)
            once = {f"bridge.{what}": happened[f"bridge.{what}"] for what in ("joined", "lost", "returned")}
            assert set(once.values()) == {SITES}, once


@fault("F6", "154 sites lose the link at once, without a word, and return at once")
def links_lost(run: Run) -> None:
    lose(run, Loss(), DEVICES)


@fault("F6c", "the same with a reset for whatever is sent")
def links_reset(run: Run) -> None:
    lose(run, Loss(RESET), 5)


@fault("F6d", "the whole province away for five minutes: its bridges are lost and back, the quorum with them", tiers="")
def province_away(run: Run) -> None:
    lose(run, Loss(seconds=300, rooms=True), DEVICES)


@fault("F6e", "links that are lost and back three times, without a word and with resets")
def links_flap(run: Run) -> None:
    for verdict in ("drop", RESET):
        lose(run, Loss(verdict, seconds=10, times=3), 2)
