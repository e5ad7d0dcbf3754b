"""The certificate of TLS is renewed in a meeting: new connections get the new one, and nobody who is in notices."""

import asyncio
import signal
import socket
import ssl
from collections.abc import Callable

from tests.faults.burst import Burst
from tests.faults.burst import run as in_loop
from tests.faults.cluster import Cluster, Tls
from tests.faults.history import History
from tests.faults.processes import Haproxy, until
from tests.faults.table import Run, fault


def tell(proxy: Haproxy, *commands: str) -> str:
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(proxy.admin))
        line.sendall("; ".join(commands).encode() + b"\n\n")
        return b"".join(iter(lambda: line.recv(1 << 16), b"")).decode()


def by_the_admin_socket(cluster: Cluster) -> None:
    """The running process takes it up."""
    assert cluster.proxy
    assert cluster.tls
    path = cluster.tls.renew(cluster.folder)
    content = "\n".join(line for line in path.read_text().splitlines() if line)
    said = tell(cluster.proxy, f"set ssl cert {path} <<\n{content}\n")
    assert "created" in said, said
    assert "Success" in (said := tell(cluster.proxy, f"commit ssl cert {path}")), said


def by_a_reload(cluster: Cluster) -> None:
    """A new process for new connections; the one before goes on until its last line has ended."""
    assert cluster.proxy
    assert cluster.tls
    cluster.tls.renew(cluster.folder)
    cluster.proxy.signal(signal.SIGUSR2)


def shown(cluster: Cluster) -> str:
    """What a new connection is shown."""
    assert cluster.proxy
    return ssl.get_server_certificate(("127.0.0.1", cluster.proxy.port))


async def renewed_in_a_vote(run: Run, cluster: Cluster, history: History, renew: Callable[[Cluster], None]) -> None:
    async with Burst(cluster, history, seed=run.seed + run.runs) as burst:
        poll, before = await burst.open_poll(), await burst.meanwhile(lambda: shown(cluster))
        voting = burst.start(burst.vote(poll, 8.0, ballots=3))
        await burst.acks(len(burst.tablets))
        await burst.meanwhile(lambda: renew(cluster))
        took = await burst.meanwhile(lambda: until(lambda: shown(cluster) != before, 20, "the old one is shown"))
        run.figure("new connections are shown the new one after, s", took, 5)
        assert burst.history.acks < 3 * len(burst.tablets), "the vote was over before"
        assert all(ballot.receipt for ballot in await voting)
        run.figure("lines that ended", sum(bool(tablet.closes) for tablet in burst.everybody), 0)
        run.figure("ballots told twice", history.counts["cast", "info"])
        newcomers = [burst.second_device(tablet) for tablet in burst.tablets[:10]]
        for one in newcomers:
            one.start()
        await burst.until(lambda: all(one.up for one in newcomers), 60, "nobody comes in any more")
        await asyncio.gather(*(one.stop() for one in newcomers))
        await burst.close(poll)
        await burst.settle()


@fault("F20b", "the certificate of TLS renewed in a meeting: in the running HAProxy, and by a reload")
def renewed(run: Run) -> None:
    for renew in (by_the_admin_socket, by_a_reload):
        with Cluster(nodes=2, tls=Tls(), voters=60) as cluster:
            history = cluster.begin_history()
            in_loop(renewed_in_a_vote(run, cluster, history, renew))
            run.judge(cluster, history)
