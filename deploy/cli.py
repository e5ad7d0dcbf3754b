"""The `dienhong` command."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from deploy import HUGE_PAGES, accounts, applications
from deploy.backup.commands import join, verify_service
from deploy.environment import REFUSED, Told, database, settings_of
from deploy.rehearsal.command import rehearse
from deploy.relay import commands

app = typer.Typer(
    cls=Told, no_args_is_help=True, add_completion=False, help="One login for a province, and meetings without paper."
)
app.command()(commands.relay)
app.command()(commands.add_relay)
app.command()(rehearse)
SERVICES = ("idp", "meetings", "calendar")
Served = Literal["idp", "meetings"]


@app.command()
def demo() -> None:
    """Make and run the sample province, until Ctrl-C."""
    from deploy.demo.run import run

    run()


@app.command()
def serve(service: Annotated[str, typer.Argument(help=", ".join(SERVICES))], port: int = 8000, host: str = "127.0.0.1") -> None:
    """Run one service; its settings come from the environment."""
    if service not in SERVICES:
        typer.echo(f"unknown service {service!r}: one of {', '.join(SERVICES)}", err=True)
        raise typer.Exit(REFUSED)
    import uvicorn

    if service == "calendar":
        uvicorn.run(calendar, factory=True, host=host, port=port, log_config=None)
        return
    from meetings.live.wires import SERVING

    settings = settings_of(service)
    _need_tables(service, settings.database_url)
    if service == "meetings" and not settings.storage_url:
        typer.echo("STORAGE_URL: a folder, or s3://bucket", err=True)
        raise typer.Exit(REFUSED)
    if service == "idp" and "GLIBC_TUNABLES" not in os.environ:  # which counts at a program's start only
        os.execve(sys.executable, sys.orig_argv, os.environ | HUGE_PAGES)  # noqa: S606 - ourselves
    uvicorn.run(
        f"deploy.cli:{service}",
        factory=True,
        host=host,
        port=port,
        workers=settings.workers,
        log_config=None,
        access_log=False,
        backlog=4096,
        http="shared.arriving:Arriving",
        **(SERVING if service == "meetings" else {"ws": "none"}),
        proxy_headers=bool(settings.trusted_proxies) and service != "idp",  # which reads them itself: `BehindProxy`
        forwarded_allow_ips=settings.trusted_proxies or None,
        timeout_graceful_shutdown=10,
        server_header=False,
    )


def _need_tables(service: str, url: str) -> None:
    """A database that is behind this code is said in a line. One that is away is waited for; one that is ahead belongs to a
    rolling upgrade, in which the older nodes go on."""
    from alembic.util import CommandError
    from sqlalchemy.exc import SQLAlchemyError

    from shared.engine import make_engine
    from shared.migrate import pending

    engine = make_engine(url)
    with suppress(SQLAlchemyError, CommandError):
        if missing := pending(engine, service):
            typer.echo(f"DATABASE_URL: {len(missing)} migrations are missing: run `dienhong migrate {service}` first", err=True)
            raise typer.Exit(REFUSED)
    engine.dispose()


def idp() -> Any:
    """The identity provider, as each process of it builds it."""
    from idp.app import build
    from idp.oidc.certificate import BehindProxy
    from shared.jumps import Watch
    from shared.logs import configure

    settings = settings_of("idp")
    configure(settings.log_level)
    built = build(settings)
    Watch(built.state.db).start()
    return BehindProxy(built, settings)


def meetings() -> Any:
    """The meetings service, as each process of it builds it."""
    from meetings.app import build
    from shared.jumps import Watch
    from shared.logs import configure

    settings = settings_of("meetings")
    configure(settings.log_level)
    built = build(settings)
    Watch(built.state.db).start()
    return built


def calendar() -> Any:
    """The demo's second application."""
    from deploy.demo.second_app import build

    read = os.environ
    return build(read["ISSUER"], "calendar", read["CALENDAR_CLIENT_SECRET"], read["PUBLIC_URL"])


@app.command()
def migrate(
    service: Served,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would be done.")] = False,
) -> None:
    """Bring the database of `DATABASE_URL` to the present schema."""
    import importlib

    from shared.migrate import pending, upgrade

    importlib.import_module(f"{service}.app")
    db = database()
    for number, words in pending(db.engine, service) if plan else ():
        typer.echo(f"{number} {words}")
    if not plan:
        upgrade(db.engine, service)
        typer.echo(f"{service}: up to date")
    db.close()


@app.command()
def routes(
    service: Served = "idp",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON list instead of lines.")] = False,
) -> None:
    """List every route of a service: who may call it, and what keeps other sites from calling it in a person's name."""
    import json

    from deploy import inventory

    listed = inventory.routes(service)
    if as_json:
        typer.echo(json.dumps(listed, ensure_ascii=False, indent=2))
        return
    for line in listed:
        typer.echo(f"{line['method']:7} {line['path']:44} {line['who']}; {line['guard']}")


for _name, _command in (accounts.COMMANDS | applications.COMMANDS).items():
    app.command(_name)(_command)


@app.command("rotate-keys")
def rotate_keys(
    compromised: Annotated[bool, typer.Option(help="Withdraw the old keys at once, and all that they signed.")] = False,
) -> None:
    """Make new signing keys at idp; its applications have ten minutes to fetch them before they sign."""
    from idp.keys import actions
    from shared.clock import now
    from shared.db import Database

    settings = settings_of("idp")
    db = Database(settings.database_url)
    with db.write() as tx:
        actions.rotate_keys(tx, now(), settings, compromised=compromised)
    db.close()
    typer.echo("withdrawn, and replaced" if compromised else "new keys are published, and sign in ten minutes")


@app.command()
def verify(
    file: Annotated[Path | None, typer.Argument(help="Minutes, as PDF; without: a service's database and documents.")] = None,
    roots: Annotated[
        Path | None, typer.Option(help="PEM file of the authorities to trust; default: TRUST_ROOTS, else the demo's own.")
    ] = None,
    language: Annotated[Literal["vi", "en"], typer.Option("--lang")] = "vi",
) -> None:
    """Check signed minutes without any database: who signed when, that nothing changed, that the votes add up; or a whole
    service: that each event, vote and document is what was put there."""
    if file is None:
        raise typer.Exit(verify_service())
    from meetings.minutes.verify import report

    if not file.is_file():
        typer.echo(f"{file}: no such file", err=True)
        raise typer.Exit(REFUSED)
    trusted = roots or _known_roots()
    authorities = trusted.read_bytes() if trusted else b""
    if trusted:
        if b"-----BEGIN CERTIFICATE-----" not in authorities:
            typer.echo(f"{trusted}: no certificates in PEM", err=True)
            raise typer.Exit(REFUSED)
        typer.echo(f"  {trusted}")
    found = report(file.read_bytes(), authorities, language)
    for line in found.lines:
        typer.echo(f"{'✓' if line.ok else '✗'} {line.text}")
    raise typer.Exit(0 if found.ok else 1)


@app.command()
def export(meeting: Annotated[str, typer.Argument(help="The meeting's id.")]) -> None:
    """Print a meeting as JSON (meetings' `DATABASE_URL`): its whole log with hashes, and who voted how in every ballot."""
    import json

    from meetings.live.models import MeetingLog
    from meetings.minutes.evidence import export as exported

    db = database()
    with db.read() as tx:
        found = exported(tx, meeting) if tx.get(MeetingLog, meeting) else None
    db.close()
    if found is None:
        typer.echo(f"{meeting}: no such meeting", err=True)
        raise typer.Exit(REFUSED)
    typer.echo(json.dumps(found, ensure_ascii=False))


def _known_roots() -> Path | None:
    named, demo = os.environ.get("TRUST_ROOTS"), Path(os.environ.get("VAR_DIR", "var")) / "demo/pki/root.pem"
    return Path(named) if named else demo if demo.is_file() else None


join(app)


def main() -> None:
    sys.exit(app())


if __name__ == "__main__":
    main()
