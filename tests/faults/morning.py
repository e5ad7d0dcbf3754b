"""The province signs in in the morning, at the real identity provider, while a hall votes at the service beside it."""

import time

from idp.accounts.actions import create_account
from idp.accounts.passwords import hash_password
from shared import clock
from shared.db import Database
from tests.bench.oidc_load import Round, arriving, make_people, quantile
from tests.bench.person import PASSWORD, Person, Target
from tests.bench.providers import fill
from tests.faults.burst import Burst
from tests.faults.burst import run as in_loop
from tests.faults.cluster import Cluster
from tests.faults.history import History
from tests.faults.processes import running
from tests.faults.rotation import Front
from tests.faults.sites import cpu
from tests.faults.table import Run, fault

ACCOUNTS, VOTERS = 1540, 60
MORNING, PEAK = 1540 / 180, 30.0  # logins a second
CALM, RUSH, AFTER, QUIET = 20.0, 8.0, 7.0, 10.0  # seconds; the last are the hall's alone
OFTEN = 4.0  # seconds from one ballot of a voter to the next
LEAST, P95, SLOWER = 25, 1.0, 2.0
QUICK = 0.2  # seconds: below it nobody waits, however quick a usual vote is


class Coming(Round):
    """People who come for some seconds. Who is told to come again is no error, however many they are."""

    @property
    def hopeless(self) -> bool:
        return False

    @property
    def sent_away(self) -> list[str]:
        return [error for error in self.errors if error.startswith("Unexpected: 503 ")]

    @property
    def failed(self) -> list[str]:
        return [error for error in self.errors if error not in self.sent_away]


async def login(person: Person) -> None:
    try:
        await person.login()
    finally:
        person.browser.close()


async def come(people: list[Person], rate: float, seconds: float) -> tuple[Coming, float]:
    """So many a second; until all are answered, seconds."""
    coming, started = Coming(login), time.monotonic()
    try:
        await arriving(coming, people, rate, seconds)
    except TimeoutError:
        coming.errors.append("some were never answered")
    return coming, time.monotonic() - started


async def vote(burst: Burst, seconds: float) -> float:
    """The hall votes and changes its mind; the p99 of an acknowledgement, seconds."""
    poll, began = await burst.open_poll(), time.monotonic()
    await burst.vote(poll, seconds, ballots=int(seconds / OFTEN))
    await burst.close(poll)
    return burst.history.percentile(0.99, outside=[(0.0, began)])


async def morning(run: Run, cluster: Cluster, history: History, target: Target, front: Front) -> None:
    people = await make_people(target, "login", ACCOUNTS)
    async with Burst(cluster, history, seed=run.seed) as burst:
        usual = await vote(burst, QUIET)
        voting, used = burst.start(vote(burst, CALM + RUSH + AFTER)), cpu(front.pid)
        before, _ = await come(people[::3], MORNING, CALM)
        peak, took = await come(people[1::3], PEAK, RUSH)
        after, _ = await come(people[2::3], MORNING, AFTER)
        used = cpu(front.pid) - used
        run.figure("p99 of a ballot's acknowledgement without logins, s", usual)
        run.figure("the same meanwhile, s", await voting, max(SLOWER * usual, QUICK))
        await burst.settle()
    failed = before.failed + peak.failed + after.failed
    if failed:
        print(failed[0])
    done = sum(len(one.seconds) for one in (before, peak, after))
    run.figure("logins", done)
    run.figure("each used of a core at the provider, s", used / max(1, done))
    run.figure("logins that failed", len(failed), 0)
    run.figure("p95 of a login, s", quantile(sorted(before.seconds + after.seconds), 0.95), P95)
    run.figure("told to come again", len(before.sent_away + after.sent_away), 0)
    run.figure("p95 of a login in the peak, s", quantile(sorted(peak.seconds), 0.95))
    run.figure("told to come again in the peak", len(peak.sent_away))
    run.figure("logins a second in the peak", len(peak.seconds) / took)
    run.figure(f"for {LEAST} logins in the peak, s", LEAST * took / max(1, len(peak.seconds)), 1)


def populate(front: Front) -> Target:
    """Everybody has the same password: one hash instead of 1,540, which would take a minute."""
    url = front.environment["DATABASE_URL"]
    secret, one = fill(url, 0)["ES256"], hash_password(PASSWORD)
    db = Database(url)
    with db.write() as tx:
        for number in range(ACCOUNTS):
            who = {"username": f"user{number}", "full_name": f"Nguyễn Văn {number}", "honorific": "Ông"}
            create_account(tx, clock.now(), **who, password_hash=one)
    db.close()
    return Target(address=front.url, client_secret=secret, accounts=ACCOUNTS)


@fault("F6b", "a morning's logins, 8.6 a second and 30 in the peak, beside a vote")
def province_signs_in(run: Run) -> None:
    with Cluster(voters=VOTERS) as cluster:
        front, history = Front(cluster.folder, cluster.address), cluster.begin_history()
        target = populate(front)
        with running(front):
            in_loop(morning(run, cluster, history, target, front))
        run.judge(cluster, history)
