"""A network of the test's own, in which sites lose their line and nodes their database; readers who stop reading."""

import asyncio
import ctypes
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.ws_swarm import frame, handshake
from tests.faults.burst import Burst
from tests.faults.burst import run as in_loop
from tests.faults.cluster import Cluster, Skip
from tests.faults.history import History
from tests.faults.processes import Node
from tests.faults.table import Run, fault

CLONE_NEWNET = 0x40000000


@contextmanager
def own_network() -> Iterator[None]:
    """This thread, and all that it starts, in a network that has nothing but its own loopback."""
    for command in ("nft", "ip"):
        if not shutil.which(command):
            raise Skip(command)
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open() as before:
        if os.geteuid() or libc.unshare(CLONE_NEWNET):
            raise Skip("the right to make a network namespace")
        try:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            yield
        finally:
            libc.setns(before.fileno(), CLONE_NEWNET)


def cut(*matches: str, verdict: str = "drop") -> None:
    """What befalls all that one of these nft matches says: dropped without a word, or another verdict."""
    rules = [f"add rule inet faults out {match} {verdict}" for match in matches]
    chain = "add chain inet faults out { type filter hook output priority 0; policy accept; }"
    subprocess.run(["nft", "-f", "-"], input="\n".join(["add table inet faults", chain, *rules, ""]), text=True, check=True)


def heal() -> None:
    subprocess.run(["nft", "delete", "table", "inet", "faults"], check=True)


def rss(node: Node) -> float:
    """MiB."""
    return int(Path(f"/proc/{node.pid}/statm").read_text().split()[1]) * 4096 / (1 << 20)


def by_address(cluster: Cluster) -> None:
    """Each node reaches the database by an address of its own, so that one can be cut off from it."""
    assert cluster.postgres
    cluster.postgres.settings["listen_addresses"] = "127.0.0.2,127.0.0.3"
    for number, node in enumerate(cluster.nodes):
        node.environment["DATABASE_URL"] = f"postgresql://postgres@127.0.0.{number + 2}:5432/meetings"


ONE_WAY = {"both ways": ("ip daddr 127.0.0.2", "ip saddr 127.0.0.2"), "its answers": ("ip saddr 127.0.0.2 tcp sport 5432",)}


async def partitioned(run: Run, cluster: Cluster, history: History, seconds: float) -> None:
    """One node loses the database, both ways or only its answers, in the middle of a vote."""
    node = cluster.nodes[0]
    async with Burst(cluster, history, seed=run.seed) as burst:
        for name, matches in ONE_WAY.items():
            poll = await burst.open_poll()
            voting = burst.start(burst.vote(poll, 3.0, ballots=2))
            await burst.acks(len(burst.tablets) // 2)
            cut(*matches)
            cut_at = time.monotonic()
            await burst.until_blocking(lambda: node.status() != 200, 30, "it still says ready")
            run.figure(f"not ready without {name}, s", time.monotonic() - cut_at, 5)
            closing = burst.start(burst.close(poll))  # waits for the locks of ballots that were under way at the node
            if name == "both ways":
                await closing
                run.figure("the chair could close while it was cut off, after, s", time.monotonic() - cut_at, 40)
            await burst.pause(max(0.0, cut_at + seconds - time.monotonic()))
            heal()
            healed_at = time.monotonic()
            await burst.until_blocking(lambda: node.status() == 200, 60, "it does not recover")
            run.figure("ready again after, s", time.monotonic() - healed_at, 10)
            await voting
            run.figure("all terminal after, s", time.monotonic() - healed_at, 20)
            await closing
        await burst.settle()


@fault("F11", "one of two nodes cut off from the database, both ways and one way")
def database_out_of_reach(run: Run) -> None:
    with own_network(), Cluster(nodes=2, proxy=True, voters=60, prepare=by_address) as cluster:
        history = cluster.begin_history()
        in_loop(partitioned(run, cluster, history, 20.0))
        run.judge(cluster, history)


async def slow_readers(run: Run, cluster: Cluster, history: History, events: int) -> None:
    node = cluster.nodes[0]
    async with Burst(cluster, history, seed=run.seed) as burst:
        slow = [await asyncio.to_thread(stops_reading, cluster, f"d{number}") for number in range(10)]
        memory = rss(node)
        items = [cluster.house.item_id, cluster.insist("secretary", "POST", "items", json=ITEM)["id"]]
        for turn in range(events):
            await asyncio.to_thread(cluster.insist, "chair", "POST", "enter", json={"item_id": items[turn % 2]})
        run.figure("the others caught up after the last event, s", await burst.caught_up(), 1)
        assert not any(tablet.closes for tablet in burst.everybody), "others were let go"
        run.figure("memory of the service grew by, MiB", rss(node) - memory, 10 + 0.1 * memory)
        run.figure("slow readers let go", sum(let_go(one) for one in slow))
        run.figure("slow readers kept", sum(not let_go(one) for one in slow), 0)
        for one in slow:
            one.close()
        await burst.settle()


ITEM = {"title": "Thảo luận", "presenter": "", "minutes": 5}


def stops_reading(cluster: Cluster, who: str) -> socket.socket:
    """Comes in, says hello, and takes in nothing."""
    ticket = cluster.call(who, "POST", "ticket").json()["ticket"]
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect((cluster.nodes[0].host, cluster.nodes[0].port))
    raw.sendall(handshake(cluster.nodes[0].port, f"/api/live?ticket={ticket}", f"Origin: {cluster.address}"))
    assert b" 101 " in raw.recv(4096)[:20]
    raw.sendall(frame(b'{"type":"hello"}'))
    return raw


def let_go(raw: socket.socket) -> bool:
    """Whether the service has ended it; what it had sent before is read first."""
    raw.settimeout(10)
    try:
        while raw.recv(1 << 16):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


@fault("F7", "ten readers stop reading, and a thousand events follow")
def readers_stop(run: Run) -> None:
    with Cluster(voters=100) as cluster:
        history = cluster.begin_history()
        in_loop(slow_readers(run, cluster, history, 1000))
        run.judge(cluster, history)
