"""Services outside that the meeting leans on are away or hang."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.burst import Burst
from tests.faults.burst import run as in_loop
from tests.faults.cluster import Cluster
from tests.faults.history import History
from tests.faults.table import Run, fault

LONGEST = 5.0  # seconds that a request may wait for a service outside


@contextmanager
def tarpit() -> Iterator[int]:
    """Takes connections and never answers; its port."""
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as door:

        def take() -> None:
            while True:
                try:
                    held.append(door.accept()[0])
                except OSError:
                    return

        threading.Thread(target=take, daemon=True).start()
        yield door.getsockname()[1]
    for one in held:
        one.close()


async def goes_on(run: Run, cluster: Cluster, history: History, how: str) -> None:
    async with Burst(cluster, history, seed=run.seed) as burst:
        poll = await burst.open_poll()
        statuses = await burst.ask_at_once("GET", "/seat", 40)
        assert {status for status, _ in statuses} == {200}
        run.figure(f"longest answer, issuer {how}, s", max(took for _, took in statuses), LONGEST)
        await burst.vote(poll, 1.0)
        await burst.close(poll)
        await burst.settle()


def unknown_key(run: Run, cluster: Cluster, how: str) -> None:
    """A token of a key that the service has not seen makes it ask the issuer."""
    from shared import tokens

    key = tokens.generate_key("ES256")
    started = time.monotonic()
    path = f"{cluster.address}/api/meetings/{cluster.meeting_id}/seat"
    token = cluster.issuer.token("m3", audience=cluster.address, key=key)
    answer = cluster._http.get(path, headers={"authorization": f"Bearer {token}"})
    run.figure(f"answer to a key that is unknown, issuer {how}, s", time.monotonic() - started, LONGEST)
    assert answer.status_code in (401, 503), answer.text


@fault("F23", "the issuer and the post office are away, or take the call and never answer")
def outside_is_away(run: Run) -> None:
    with tarpit() as hole:
        for how in ("away", "hangs"):
            with Cluster(voters=40, environment={"SMTP_URL": f"smtp://127.0.0.1:{hole if how == 'hangs' else 9}"}) as cluster:
                cluster.call("chair", "GET", "seat").raise_for_status()  # the issuer's keys are known from here on
                port = cluster.issuer._http.server_port
                cluster.issuer.close()
                history = cluster.begin_history()
                with hanging(port) if how == "hangs" else nothing():
                    unknown_key(run, cluster, how)
                    in_loop(goes_on(run, cluster, history, how))
                run.judge(cluster, history)


@contextmanager
def nothing() -> Iterator[None]:
    yield


@contextmanager
def hanging(port: int) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", port)):
        yield
