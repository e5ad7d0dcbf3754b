"""`dienhong demo`: make the sample province once, start everything, say where to look, run until Ctrl-C.

The services are started before anything else is loaded here, so that they load at the same time.
"""

import fcntl
import http.client
import json
import os
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deploy import HUGE_PAGES
from deploy.demo.pki import Pki, Server

if TYPE_CHECKING:
    from rich.console import Console

READY_WITHIN = 60  # seconds
SHOWN = ("secretary", "chair", "member", "teller", "administrator")


@cache
def _console() -> "Console":
    from rich.console import Console

    return Console()


class Demo:
    """The demo's folder, addresses and secrets."""

    def __init__(self) -> None:
        self.folder = Path(os.environ.get("VAR_DIR", "var")).resolve() / "demo"
        ports = {"idp": 8400, "meetings": 8500, "calendar": 8600, "pki": 8700}
        self.ports = {name: int(os.environ.get(f"{name.upper()}_PORT", port)) for name, port in ports.items()}
        self.urls = {name: f"http://localhost:{port}" for name, port in self.ports.items()}
        self.pki = Pki(self.folder / "pki", self.ports["pki"])
        self.ready = self.folder / "ready.json"

    def state(self) -> dict[str, Any]:
        """What was made at the first run; only the owner can read it."""
        state: dict[str, Any] = json.loads(self.ready.read_text())
        return state

    def environment(self, service: str, state: dict[str, Any]) -> dict[str, str]:
        """The settings of one service, as its deployment would give them."""
        own = {
            "PUBLIC_URL": self.urls[service],
            "DATABASE_URL": f"sqlite:///{self.folder / service}.db",
            "SECRET": state["secrets"][service],
            "STORAGE_URL": str(self.folder / "documents"),
            "SMTP_URL": f"file://{self.folder / 'mail'}",
            "MAIL_FROM": "hop-khong-giay@binhlam.example",
            "ISSUER": self.urls["idp"],
            "CLIENT_ID": "meetings-web",
            "AUDIENCE": self.urls["meetings"],
            "SIGNERS_URL": str(self.pki.signers),
            "TSA_URL": self.pki.tsa_url,
            "TRUST_ROOTS": str(self.pki.root),
            "HELP_LINE": "0263 3888 154",
        }
        return {**os.environ, **HUGE_PAGES, **own}


def run() -> None:
    demo = Demo()
    started = time.monotonic()
    demo.folder.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(demo.folder.parent, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # until this process ends: who is making it would lose it to us
    except BlockingIOError:
        _console().print(f"[red]Another demo is at work in {demo.folder}; end it, or set VAR_DIR to another folder.")
        raise SystemExit(1) from None
    if not demo.ready.exists():
        _make(demo)
    state = demo.state()
    if state["ports"] != demo.ports:
        _console().print(
            f"[red]The demo in {demo.folder} was made for the ports {state['ports']}; remove the folder to make it anew."
        )
        raise SystemExit(1)
    _need_free_ports(demo)
    _bring_up_to_date(demo)
    with ending_together() as children:
        for name in ("idp", "meetings", "calendar"):
            children[name] = _spawn(demo, state, name)
        authority = Server(demo.pki)
        _wait_until_ready(demo, children)
        authority.start()
        _describe(demo, state)
        _console().print(f"[dim]Ready after {time.monotonic() - started:.1f} s. Ctrl-C ends it.")
        _watch(demo, state, children)


@contextmanager
def ending_together() -> Iterator[dict[str, "subprocess.Popen[bytes]"]]:
    """Services by name. They end with us: whoever started us, and however we end, short of SIGKILL."""
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if ending != signal.SIGHUP or signal.getsignal(ending) != signal.SIG_IGN:  # `nohup` asks to go on
            signal.signal(ending, signal.default_int_handler)
    children: dict[str, subprocess.Popen[bytes]] = {}
    try:
        yield children
    except KeyboardInterrupt:
        _console().print("\nEnding.")
    finally:
        for child in children.values():
            child.send_signal(signal.SIGTERM)
        for child in children.values():
            try:
                child.wait(timeout=15)
            except subprocess.TimeoutExpired:
                child.kill()


def _need_free_ports(demo: Demo) -> None:
    for name, port in demo.ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                _console().print(f"[red]Port {port} is taken; end what uses it, or set {name.upper()}_PORT to another.")
                raise SystemExit(1) from None


def _bring_up_to_date(demo: Demo) -> None:
    """A demo that an older version has made keeps what was done in it."""
    for name in ("idp", "meetings"):
        known = max(file.name[:4] for file in (Path(__file__).parents[2] / name / "migrations" / "versions").glob("0*.py"))
        with closing(sqlite3.connect(demo.folder / f"{name}.db")) as database:
            present = database.execute(f"SELECT version_num FROM alembic_version_{name}").fetchone()[0]  # noqa: S608 - our own
        if present < known:
            command = [sys.executable, "-m", "deploy.cli", "migrate", name]
            subprocess.run(command, env=demo.environment(name, demo.state()), check=True, stdout=subprocess.DEVNULL)


def _make(demo: Demo) -> None:
    """All that is made once. It is whole when `ready.json` is there; what an interrupted run left is cleared away."""
    import shutil

    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from deploy.demo import province, seed
    from docs_store.store import derive_key, open_store
    from shared.clock import now
    from shared.db import Database
    from shared.migrate import upgrade

    if demo.folder.exists() and any(demo.folder.iterdir()) and not (demo.folder / "idp.db").exists():
        _console().print(f"[red]{demo.folder} is not a demo's; set VAR_DIR to another folder.")
        raise SystemExit(1)
    shutil.rmtree(demo.folder, ignore_errors=True)
    demo.folder.mkdir(parents=True, mode=0o700)
    kept = {"ports": demo.ports, "secrets": {name: secrets.token_urlsafe(48) for name in ("idp", "meetings")}}
    columns = (TextColumn("{task.description}", justify="left"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_console()) as progress:
        task = progress.add_task("Tables", total=22)
        databases = {name: Database(f"sqlite:///{demo.folder / name}.db") for name in ("idp", "meetings")}

        def step(words: str) -> None:
            progress.update(task, description=f"{words:<44.44}", advance=1)

        for name, db in databases.items():
            upgrade(db.engine, name)
        step("Accounts and applications")
        kept |= seed.fill_idp(databases["idp"], now(), demo.urls)
        step("Certificate authority")
        council = province.members(province.COUNCIL)
        demo.pki.make([one for one, membership in council if membership.role in ("chair", "secretary")], now())
        step("Bodies, meeting, papers")
        store = open_store(str(demo.folder / "documents"), derive_key(kept["secrets"]["meetings"], "documents"))  # type: ignore[index]
        kept["meeting_id"] = seed.fill_meetings(databases["meetings"], store, now(), demo.folder / "papers", step)
        step("Conference at 154 bridges")
        kept["conference_id"] = seed.fill_conference(databases["meetings"], now())
        for db in databases.values():
            db.close()
        progress.update(task, description=f"{'The sample province is made':<44}", completed=22)
    _keep(demo.ready, kept)


def _keep(file: Path, content: dict[str, Any]) -> None:
    """For its owner alone, whole or not at all."""
    aside = file.with_suffix(".new")
    aside.touch(mode=0o600)
    aside.write_text(json.dumps(content, ensure_ascii=False, indent=2))
    aside.rename(file)


def _spawn(demo: Demo, state: dict[str, Any], name: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "deploy.cli", "serve", name, "--port", str(demo.ports[name])]
    environment = demo.environment(name, state) if name in ("idp", "meetings") else {**os.environ}
    if name == "calendar":
        own = {"ISSUER": demo.urls["idp"], "PUBLIC_URL": demo.urls[name], "CALENDAR_CLIENT_SECRET": state["calendar_secret"]}
        environment |= own
    with (demo.folder / f"{name}.log").open("ab") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)


def _wait_until_ready(demo: Demo, children: dict[str, subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + READY_WITHIN
    waiting = {"idp": "/readyz", "meetings": "/readyz", "calendar": "/healthz"}
    while waiting and time.monotonic() < deadline:
        for name, path in list(waiting.items()):
            if children[name].poll() is not None:
                _console().print(f"[red]{name} did not start; see {demo.folder / name}.log (is port {demo.ports[name]} free?)")
                raise SystemExit(1)
            if _answers(demo.ports[name], path):
                del waiting[name]
        time.sleep(0.05)
    if waiting:
        _console().print(f"[red]Not ready after {READY_WITHIN} s: {', '.join(waiting)}; see the logs in {demo.folder}")
        raise SystemExit(1)


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _describe(demo: Demo, state: dict[str, Any]) -> None:
    """Write `demo.json` for programs, and a table for people."""
    from rich.table import Table

    told = {
        "issuer": demo.urls["idp"],
        "meetings": demo.urls["meetings"],
        "calendar": demo.urls["calendar"],
        "accounts": state["accounts"],
        "meeting_id": state["meeting_id"],
        "conference_id": state.get("conference_id"),
        "initial_access_token": state["initial_access_token"],
        "trust_roots": str(demo.pki.root),
        "mail": str(demo.folder / "mail"),
        "test_client": {
            "client_id": "test-client",
            "redirect_uri": "http://127.0.0.1/callback",
            "note": "public, PKCE S256, any loopback port",
            "audience": demo.urls["meetings"],
        },
    }
    file = demo.folder / "demo.json"
    _keep(file, told)
    table = Table(box=None, padding=(0, 3, 0, 0))
    for heading in ("Vai trò", "Họ và tên", "Tên đăng nhập", "Mật khẩu"):
        table.add_column(heading)
    for role in SHOWN:
        one = next(account for account in state["accounts"] if account["role"] == role)
        table.add_row(role, one["name"], one["username"], one["password"])
    _console().print(f"\n[bold]Họp không giấy[/]   {demo.urls['meetings']}")
    _console().print(f"[bold]Đăng nhập[/]        {demo.urls['idp']}")
    _console().print(f"[bold]Lịch công tác[/]    {demo.urls['calendar']}")
    _console().print(f"[bold]Màn hình lớn[/]     {demo.urls['meetings']}/wall/{state['meeting_id']}\n")
    _console().print(table)
    _console().print(f"\n[dim]All accounts: {file}")


def _watch(demo: Demo, state: dict[str, Any], children: dict[str, subprocess.Popen[bytes]]) -> None:
    """Start again what has died, as a service manager would."""
    while True:
        time.sleep(0.5)
        for name, child in children.items():
            if child.poll() is not None:
                _console().print(f"[yellow]{name} ended with {child.returncode}; starting it again")
                children[name] = _spawn(demo, state, name)
