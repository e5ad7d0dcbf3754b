"""`dienhong rehearse`."""

from typing import Annotated

import typer


def rehearse(
    meeting: Annotated[str, typer.Argument(help="Its id, as it stands in its address.")] = "",
    delegates: Annotated[int, typer.Option(min=2, max=5000, help="Simulated delegates.")] = 60,
    url: Annotated[str, typer.Option(help="Where to reach the service; default: PUBLIC_URL.")] = "",
    begin: Annotated[str, typer.Option(hidden=True, help="Of a rehearsal that was asked for in the web app.")] = "",
) -> None:
    """Run a copy of a meeting with simulated delegates against the real service, and judge what is measured."""
    from deploy.environment import settings_of
    from deploy.rehearsal.report import run_and_print

    raise typer.Exit(0 if run_and_print(settings_of("meetings"), meeting, delegates, url, begin) else 1)
