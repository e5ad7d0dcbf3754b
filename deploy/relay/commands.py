"""`dienhong relay` runs a room's relay; `dienhong add-relay` makes its client at idp."""

import logging
from typing import Annotated, Any

import typer

from deploy.environment import writing


def relay(port: int = 8443, host: str = "127.0.0.1") -> None:
    """Run the relay of a room; its settings come from the environment."""
    import uvicorn

    from deploy.relay.app import Relay
    from deploy.relay.settings import RelaySettings
    from meetings.live.wires import SERVING
    from shared.logs import configure

    settings = RelaySettings()
    configure(settings.log_level)
    for library in ("websockets", "httpx2", "httpcore2"):
        logging.getLogger(library).setLevel(logging.WARNING)  # below that they tell headers, and tokens stand in them
    tls: dict[str, Any] = {"ssl_certfile": settings.tls_certificate, "ssl_keyfile": settings.tls_key}
    uvicorn.run(
        Relay(settings),
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        proxy_headers=False,  # it is the first that knows a tablet's address
        server_header=False,
        date_header=False,  # upstream's own is passed on
        timeout_graceful_shutdown=10,
        **SERVING,
        **(tls if settings.tls_key else {}),
    )


def add_relay(
    room: Annotated[str, typer.Argument(help="The room's name, as administrators see it.")],
    audience: Annotated[str, typer.Option(help="`AUDIENCE` of the meetings service.")],
) -> None:
    """Make a relay's client at idp (idp's `DATABASE_URL`) and print its id and its secret, once."""
    from deploy.relay.credentials import SCOPE
    from idp.clients.actions import register_client
    from idp.clients.rules import CLIENT_CREDENTIALS, Metadata

    metadata = Metadata(name=room, grant_types=(CLIENT_CREDENTIALS,), scopes=(SCOPE,), audiences=(audience,))
    with writing() as (tx, at):
        client, secret = register_client(tx, at, metadata, actor="command")
    typer.echo(f"{client.id} {secret}")
