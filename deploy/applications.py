"""The commands of `dienhong` for applications at idp (idp's `DATABASE_URL`)."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.environment import writing

if TYPE_CHECKING:
    from idp.clients.rules import Metadata


def web_app(address: str, office: str) -> "Metadata":
    """The web app of the meetings service at `address`, which is the audience of its access tokens, too."""
    from idp.clients.rules import AuthMethod, Metadata

    return Metadata(
        name="Họp không giấy",
        office=office,
        description="Chương trình, tài liệu, biểu quyết và biên bản của các kỳ họp",
        redirect_uris=(f"{address}/signed-in",),
        auth_method=AuthMethod.NONE,
        audiences=(address,),
        post_logout_redirect_uris=(f"{address}/signed-out",),
        backchannel_logout_uri=f"{address}/api/backchannel-logout",
        client_uri=f"{address}/",
        trusted=True,
    )


def add_meetings(
    address: Annotated[str, typer.Argument(help="`PUBLIC_URL` of the meetings service, and its `AUDIENCE`.")],
    office: Annotated[str, typer.Option(help="Who runs it, as it stands on the pages of the sign-in.")] = "",
) -> None:
    """Make the client of the meetings' web app at idp, and print its id: `CLIENT_ID` of meetings."""
    from idp.clients.actions import register_client

    with writing() as (tx, at):
        client, _ = register_client(tx, at, web_app(address.rstrip("/"), office), actor="command")
    typer.echo(client.id)


def close_client(client_id: str) -> None:
    """Close an application at idp, for good: nobody signs in to it, and it gets no token any more."""
    from idp.clients.actions import remove_client
    from idp.clients.models import Client

    with writing() as (tx, at):
        client = tx.get(Client, client_id)
        if client is None or not client.active:
            raise typer.BadParameter("no such client")
        remove_client(tx, at, client, actor="command")


def initial_access_token(days: Annotated[int, typer.Option(min=1, max=365)] = 30) -> None:
    """Print a token that lets its holder register applications at idp for some days, once."""
    from datetime import timedelta

    from idp.clients.actions import make_initial_access_token

    with writing() as (tx, at):
        token = make_initial_access_token(tx, at, timedelta(days=days))
    typer.echo(token)


COMMANDS: dict[str, Callable[..., None]] = {
    "add-meetings": add_meetings,
    "close-client": close_client,
    "initial-access-token": initial_access_token,
}
