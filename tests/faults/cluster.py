"""A service as it stands in a data centre: nodes, a database, a bus, a proxy, an issuer; a hall of members who are present."""

import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from secrets import token_urlsafe
from types import TracebackType
from typing import Any

import httpx2
from sqlalchemy import insert

from meetings.agenda.models import Meeting
from meetings.attendance.models import Attendance
from meetings.bodies.models import Member
from shared import clock, migrate
from shared.db import Database
from shared.ids import new_id
from tests.faults.history import History
from tests.faults.processes import DEBIAN, ROOT, Haproxy, Node, Postgres, Process, Valkey, free_port
from tests.makers import House, make_house
from tests.meetings.issuer import Issuer

DISK = Path("/var/tmp")  # noqa: S108 - a disk, where the tests' quick folders are memory
DAY = 24 * 3600
CONDUCTING = ("chair", "secretary")


class Skip(Exception):
    """This machine lacks what the fault needs; the words say what."""


class Tls:
    """Certificates for 127.0.0.1, and a client's trust in all of them."""

    def __init__(self) -> None:
        self.trust = ssl.create_default_context()

    def renew(self, folder: Path) -> Path:
        """A new key and a certificate that signs itself, in one file as HAProxy has it; in place of the one before."""
        if not shutil.which("openssl"):
            raise Skip("openssl")
        made, kept = folder / "new.pem", folder / "tls.pem"
        name = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2", "-nodes"]
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", made, "-out", made]
        subprocess.run(["openssl", "req", "-x509", *key, *name], check=True, capture_output=True)
        self.trust.load_verify_locations(made)
        return made.rename(kept)


class Cluster:
    """`with Cluster(nodes=2, proxy=True) as cluster:` starts everything, and ends it.

    `database`: "postgresql" (Debian's, own data directory) or "sqlite". `bus` defaults to where there are several nodes.
    `tls`: it ends at the proxy. `twin`: run the nodes broken on purpose. `prepare(cluster)` is called before the first start:
    to set prefixes (`cluster.nodes[0].prefix`), environments, or settings of the database (`cluster.postgres.settings`).
    """

    def __init__(
        self,
        *,
        nodes: int = 1,
        voters: int = 150,
        database: str = "postgresql",
        bus: bool | None = None,
        proxy: bool = False,
        tls: "Tls | None" = None,
        twin: str = "",
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
        prepare: Callable[["Cluster"], None] | None = None,
    ) -> None:
        if database == "postgresql" and not (DEBIAN / "initdb").exists():
            raise Skip("PostgreSQL 15 of Debian (postgresql-15)")
        if (proxy or tls) and not shutil.which("haproxy"):
            raise Skip("haproxy")
        self._own_folder = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="dienhong-faults-", dir=DISK))
        self.folder.chmod(0o755)
        self.voters, self._prepare = voters, prepare
        self.postgres = Postgres("postgres", self.folder / "postgres") if database == "postgresql" else None
        self.url = self.postgres.url() if self.postgres else f"sqlite:///{self.folder}/meetings.db"
        self.bus = Valkey(self.folder) if (nodes > 1 if bus is None else bus) else None
        self.issuer = Issuer()
        self._door = free_port() if proxy or tls else 0
        self.nodes: list[Node] = []
        for number in range(nodes):
            node = Node(f"node{number + 1}", self.folder, {}, twin)
            self._door = self._door or node.port
            self.nodes.append(node)
        self.tls = tls
        self.address = f"http{'s' if tls else ''}://127.0.0.1:{self._door}"
        self.environment = self._environment() | dict(environment or {})
        for node in self.nodes:
            node.environment |= self.environment
        certificate = tls.renew(self.folder) if tls else None
        self.proxy = Haproxy(self.folder, self.nodes, self._door, certificate) if proxy or tls else None
        self.members: list[str] = []
        self.history: History | None = None
        self._tokens: dict[str, str] = {}

    def _environment(self) -> dict[str, str]:
        return {
            "PUBLIC_URL": self.address,
            "DATABASE_URL": self.url,
            "BUS_URL": self.bus.url if self.bus else "",
            "STORAGE_URL": str(self.folder / "documents"),
            "SMTP_URL": f"file://{self.folder}/mail",
            "SECRET": token_urlsafe(48),
            "ISSUER": self.issuer.url,
            "CLIENT_ID": "meetings-web",
            "AUDIENCE": self.address,
            "LOG_LEVEL": "WARNING",
        }

    def begin_history(self) -> History:
        """Closed with the cluster."""
        self.history = History(self.folder / "history.jsonl")
        return self.history

    @property
    def processes(self) -> list[Process]:
        """In the order in which they start."""
        return [one for one in (self.postgres, self.bus, *self.nodes, self.proxy) if one]

    def __enter__(self) -> "Cluster":
        try:
            if self._prepare:
                self._prepare(self)
            if self.postgres:
                self.postgres.make()
                self.postgres.start()
                self.postgres.wait_ready()
                self.postgres.ask("CREATE DATABASE meetings")
            self._fill()
            others = self.processes[1 if self.postgres else 0 :]
            for one in others:
                one.start()
            for one in others:
                one.wait_ready()  # type: ignore[attr-defined]
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
        if kind and kind is not Skip:
            print(f"the logs are in {self.keep_logs()}")
        if self._own_folder and not os.environ.get("FAULTS_KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)

    def keep_logs(self) -> Path:
        kept = ROOT / "var" / "faults" / self.folder.name
        kept.mkdir(parents=True, exist_ok=True)
        for one in self.processes:
            shutil.copy(one.log, kept)
        return kept

    def bugs(self) -> list[str]:
        """What the nodes have logged as bugs: answers of 500, and jobs of the loop that failed."""
        found = []
        for node in self.nodes:
            lines = node.log.read_text("utf-8", "replace").splitlines() if node.log.exists() else []
            found += [f"{node.name}: {line[-400:]}" for line in lines if '"event": "bug"' in line]
        return found

    def close(self) -> None:
        for one in reversed(self.processes):
            with suppress(
                ProcessLookupError, subprocess.TimeoutExpired, KeyboardInterrupt
            ):  # also when we are to end ourselves
                one.stop()
            if one.alive:
                one.kill()
        self.issuer.close()
        self._http.close()
        if self.history:
            self.history.close()

    @contextmanager
    def looking(self) -> Iterator[Database]:
        """The database from the side."""
        db = Database(self.url)
        try:
            yield db
        finally:
            db.close()

    def _fill(self) -> None:
        """An open meeting of six who conduct it and `voters` delegates `d0`, `d1`, ..., all present."""
        with self.looking() as db:
            migrate.upgrade(db.engine, "meetings")
            self._fill_hall(db)

    def _fill_hall(self, db: Database) -> None:
        self.house: House = make_house(db).open()
        self.meeting_id, now = self.house.meeting_id, clock.now()
        self.members = [new_id() for _ in range(self.voters)]
        with db.write() as tx:
            body_id = tx.get_one(Meeting, self.meeting_id).body_id
            person = {"body_id": body_id, "honorific": "Ông", "post": "Đại biểu", "group": "", "seat": "", "role": "member"}
            rows = [
                person
                | {"id": one, "username": f"d{place}", "full_name": f"Nguyễn Văn {place}", "email": "", "votes": True}
                | {"active": True, "subject": f"sub-d{place}"}
                for place, one in enumerate(self.members)
            ]
            here = {"meeting_id": self.meeting_id, "state": "present", "how": "tablet", "at": now}
            if rows:
                tx.execute(insert(Member), rows)
                tx.execute(insert(Attendance), [here | {"member_id": one} for one in self.members])

    def token(self, username: str, **changes: Any) -> str:
        """A day's access token of a person: the faults last longer than its usual ten minutes."""
        if changes:
            return self.issuer.token(username, audience=self.address, **changes)
        if username not in self._tokens:
            exp = int((clock.now() + timedelta(seconds=DAY)).timestamp())
            self._tokens[username] = self.issuer.token(username, audience=self.address, exp=exp)
        return self._tokens[username]

    def member_id(self, username: str) -> str:
        return self.members[int(username[1:])] if username.startswith("d") else self.house.seats[username].member_id

    @cached_property
    def _http(self) -> httpx2.Client:
        return httpx2.Client(timeout=60, verify=self.tls.trust if self.tls else True)

    def call(self, username: str, method: str, path: str, node: int | None = None, **arguments: Any) -> httpx2.Response:
        """A request below the meeting, at the people's address or straight at one node."""
        address = self.address if node is None else f"http://{self.nodes[node].host}:{self.nodes[node].port}"
        headers = {"authorization": f"Bearer {self.token(username)}"} | arguments.pop("headers", {})
        return self._http.request(
            method, f"{address}/api/meetings/{self.meeting_id}/{path}".rstrip("/"), headers=headers, **arguments
        )

    def say_logout(self, word: str, node: int = 0) -> httpx2.Response:
        """The issuer's word that a sign-in is over, to one node."""
        one = self.nodes[node]
        return self._http.post(f"http://{one.host}:{one.port}/api/backchannel-logout", data={"logout_token": word})

    def insist(self, username: str, method: str, path: str, within: float = 240, **arguments: Any) -> Any:
        """The same until it is done, as the secretary's desk does it; 409 of a retry says that it was."""
        deadline = time.monotonic() + within
        while True:
            with suppress(httpx2.TransportError):
                answer = self.call(username, method, path, **arguments)
                if answer.status_code < 400:
                    return answer.json() if answer.content else None
                if answer.status_code == 409:
                    return None
                assert answer.status_code >= 500 or answer.status_code == 429, f"{path}: {answer.status_code} {answer.text}"
            assert time.monotonic() < deadline, f"{path}: no answer in {within} s"
            time.sleep(0.2)

    def open_poll(self, title: str = "Thông qua Nghị quyết") -> str:
        poll: str = self.insist("secretary", "POST", "polls", json={"item_id": self.house.item_id, "title": title})["id"]
        self.insist("chair", "POST", f"polls/{poll}/open")
        return poll

    def close_poll(self, poll: str) -> None:
        self.insist("chair", "POST", f"polls/{poll}/close")

    def declare(self, poll: str) -> None:
        self.insist("chair", "POST", f"polls/{poll}/declare")

    def export(self, path: Path) -> Path:
        """What the product itself says of the meeting, by `dienhong export`."""
        command = [sys.executable, "-m", "deploy.cli", "export", self.meeting_id]
        with path.open("wb") as file:
            subprocess.run(command, cwd=ROOT, check=True, stdout=file, env={**os.environ, "DATABASE_URL": self.url})
        return path
