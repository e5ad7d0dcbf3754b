"""The commands of `dienhong` for accounts at idp (idp's `DATABASE_URL`)."""

import os
from collections.abc import Callable
from typing import Any

import typer


def create_account(username: str, full_name: str, email: str = "", post: str = "", honorific: str = "Ông") -> None:
    """Make an account at idp (idp's `DATABASE_URL`) and print its first password, once."""
    from idp.accounts import actions
    from shared.clock import now
    from shared.db import Database

    db = Database(os.environ["DATABASE_URL"])
    password = actions.new_password()
    with db.write() as tx:
        actions.create_account(
            tx, now(), username=username, full_name=full_name, honorific=honorific, email=email, post=post, password=password
        )
    db.close()
    typer.echo(password)


def remove_second_factor(username: str) -> None:
    """Let who has lost telephone and recovery codes sign in at idp by password alone; be sure first who is asking."""
    from idp.login.factors import remove_factor

    _for_account(username, lambda tx, at, account: remove_factor(tx, at, account.id, actor="command"))


def close_account(username: str) -> None:
    """Close an account at idp: it is signed out everywhere, and whatever applications hold of it ends for good."""
    from idp.oidc.closing import close_account

    _for_account(username, lambda tx, at, account: close_account(tx, at, account, actor="command"))


def open_account(username: str) -> None:
    """Open a closed account at idp again; its password and second factor are those that it had."""
    from idp.oidc.closing import open_account

    _for_account(username, lambda tx, at, account: open_account(tx, at, account, actor="command"))


def _for_account(username: str, deed: Any) -> None:
    from idp.accounts.models import find_by_username
    from shared.clock import now
    from shared.db import Database

    db = Database(os.environ["DATABASE_URL"])
    with db.write() as tx:
        account = find_by_username(tx, username)
        if account is None:
            raise typer.BadParameter("no such account")
        deed(tx, now(), account)
    db.close()


COMMANDS: dict[str, Callable[..., None]] = {
    "create-account": create_account,
    "remove-second-factor": remove_second_factor,
    "close-account": close_account,
    "open-account": open_account,
}
