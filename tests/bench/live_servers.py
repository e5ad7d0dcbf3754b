"""The servers that `make bench-live` measures: ours as it is deployed, with a hall of delegates, and three of others."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.util import find_spec
from secrets import token_hex, token_urlsafe
from typing import Any

import httpx2
from sqlalchemy import insert

from meetings.access.actions import name_administrator
from meetings.agenda.actions import Meeting
from meetings.attendance.models import Attendance
from meetings.bodies.models import Member
from meetings.live.log import Level
from meetings.live.models import Ticket
from shared import clock, migrate
from shared.db import Database
from shared.ids import digest, new_id
from tests.bench.procfs import cpu_ns, family, pss_mib
from tests.bench.providers import BIN, PEERS, ROOT, free_port, on_server_core, running
from tests.bench.ws_swarm import handshake
from tests.makers import House, make_house
from tests.meetings.issuer import Issuer

LIVE_PEERS = PEERS.parent / "live_peers"


# In a scheduling group of its own, before what else the machine does; without the right to it the figures are only noisier.
FIRST = ("setsid", "sh", "-c", 'echo -11 > /proc/$$/autogroup; exec "$@"', "sh")


@dataclass
class Server:
    name: str
    port: int
    pids: list[int]

    def cpu(self) -> int:
        """Nanoseconds so far, of all its processes."""
        return sum(cpu_ns(family(*self.pids)).values())

    def memory(self) -> float:
        """KiB."""
        return pss_mib(family(*self.pids)) * 1024

    def handshakes(self, count: int) -> list[bytes]:
        return [handshake(self.port, "/", f"Cookie: session=session-{number}") for number in range(count)]

    @property
    def first(self) -> tuple[bytes, bytes]:
        """What a client says first, and what stands in the answer."""
        return b"", b""


@dataclass
class Ours(Server):
    """`dienhong serve meetings` with an open meeting of `members` who are all present."""

    database: str = "sqlite"
    db: Database = field(repr=False, kw_only=True)
    house: House = field(repr=False, kw_only=True)
    issuer: Issuer = field(repr=False, kw_only=True)
    members: list[str] = field(repr=False, kw_only=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def call(self, who: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = httpx2.post(
            f"{self.url}/api/meetings/{self.house.meeting_id}/{path}", json=body, headers=self.bearer(who), timeout=30
        )
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def bearer(self, who: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.issuer.token(who, audience=self.url)}"}

    def handshakes(self, count: int) -> list[bytes]:
        """With tickets that were given out a moment ago."""
        tokens, until = [token_urlsafe(32) for _ in range(count)], clock.now() + timedelta(minutes=1)
        same = {"meeting_id": self.house.meeting_id, "level": int(Level.DELEGATE), "expires_at": until}
        rows = [
            same | {"digest": digest(token), "sid": f"sid-{place}", "member_id": self.members[place]}
            for place, token in enumerate(tokens)
        ]
        with self.db.write() as tx:
            tx.execute(insert(Ticket), rows)
        return [self.entry(token) for token in tokens]

    def entry(self, ticket: str) -> bytes:
        return handshake(self.port, f"/api/live?ticket={ticket}", f"Origin: {self.url}")

    @property
    def first(self) -> tuple[bytes, bytes]:
        """A tablet that comes back: it knows the meeting up to now."""
        from meetings.live import log
        from tests.bench.ws_swarm import frame

        with self.db.read() as tx:
            seq, epoch = log.position(tx, self.house.meeting_id)
        return frame(json.dumps({"type": "hello", "epoch": epoch, "since": seq}).encode()), b'"up_to"'

    def open_poll(self) -> str:
        plan = {"item_id": self.house.item_id, "title": "Thông qua Nghị quyết"}
        poll: str = self.call("secretary", "polls", plan)["id"]
        self.call("chair", f"polls/{poll}/open")
        return poll

    def close_poll(self, poll: str) -> int:
        """How many voted in favour, by the server's own counting."""
        self.call("chair", f"polls/{poll}/close")
        with self.db.read() as tx:
            from meetings.voting.models import Poll

            return tx.get_one(Poll, poll).in_favour or 0

    def ballots(self, poll: str, count: int) -> list[dict[str, str]]:
        same = {"type": "vote.cast", "poll_id": poll, "choice": "in_favour"}
        return [same | {"key": token_hex(16)} for _ in range(count)]


@contextmanager
def ours(url: str, database: str, count: int, postgres: int | None = None) -> Iterator[Ours]:
    db, port, issuer = Database(url), free_port(), Issuer()
    migrate.upgrade(db.engine, "meetings")
    house, members = _hall(db, count)
    address = f"http://127.0.0.1:{port}"
    environment = {
        "PUBLIC_URL": address,
        "DATABASE_URL": url,
        "STORAGE_URL": "var/bench/documents",
        "SECRET": token_urlsafe(48),
        "ISSUER": issuer.url,
        "CLIENT_ID": "meetings-web",
        "AUDIENCE": address,
        "LOG_LEVEL": "WARNING",
    }
    command = [*FIRST, *on_server_core(str(BIN / "dienhong"), "serve", "meetings", "--port", str(port))]
    try:
        with running(f"live-{database}", command, port, environment) as pid:
            pids = [pid] + ([postgres] if postgres else [])
            yield Ours("ours", port, pids, database, db=db, house=house, issuer=issuer, members=members)
    finally:
        db.close()
        issuer.close()


def _hall(db: Database, count: int) -> tuple[House, list[str]]:
    """An open meeting of six who conduct it and `count` delegates, all present; the delegates' ids."""
    house, now = make_house(db).open(), clock.now()
    with db.write() as tx:
        name_administrator(tx, now, "administrator")
        body_id = tx.get_one(Meeting, house.meeting_id).body_id
        ids = [new_id() for _ in range(count)]
        person = {"body_id": body_id, "honorific": "Ông", "post": "Đại biểu", "group": "", "seat": "", "role": "member"}
        rows = [
            person | {"id": one, "username": f"d{place}", "full_name": f"Nguyễn Văn {place}", "email": "", "votes": True}
            for place, one in enumerate(ids)
        ]
        tx.execute(insert(Member), [row | {"active": True, "subject": f"sub-{row['username']}"} for row in rows])
        here = {"meeting_id": house.meeting_id, "state": "present", "how": "tablet", "at": now}
        tx.execute(insert(Attendance), [here | {"member_id": one} for one in ids])
    return house, ids


@contextmanager
def peer(name: str, event: str) -> Iterator[Server]:
    """`event`: the text that it sends to all, as long as ours."""
    port = free_port()
    python = {"websockets": "broadcast.py", "FastAPI loop": "asgi.py", "picows": "pico.py"}
    if name == "node ws":
        if not (LIVE_PEERS / "node_modules" / "ws").is_dir():
            npm = [str(ROOT / "deploy" / "node"), "npm", "ci", "--loglevel", "error", "--no-audit", "--no-fund"]
            subprocess.run(npm, cwd=LIVE_PEERS, check=True, stdout=subprocess.DEVNULL)
        command = [str(ROOT / "deploy" / "node"), "node", str(LIVE_PEERS / "ws.mjs")]
    else:
        command = [sys.executable, str(LIVE_PEERS / python[name])]
    environment = {"PORT": str(port), "EVENT": event}
    with running(f"live-{name.replace(' ', '-')}", [*FIRST, *on_server_core(*command)], port, environment) as pid:
        yield Server(name, port, [pid])


def peers() -> list[str]:
    return ["node ws", "websockets", "FastAPI loop"] + (["picows"] if find_spec("picows") else [])
