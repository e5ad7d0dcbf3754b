"""The commands of `dienhong` for people: at idp, and whom meetings takes for an administrator."""

from collections.abc import Callable
from typing import Any

import typer

from deploy.environment import writing
from idp.accounts.rules import Honorific, checked_username


def create_account(username: str, full_name: str, email: str = "", post: str = "", honorific: Honorific = Honorific.MR) -> None:
    """Make an account at idp (idp's `DATABASE_URL`) and print its first password, once."""
    from idp.accounts import actions

    password = actions.new_password()
    with writing() as (tx, at):
        actions.create_account(
            tx, at, username=username, full_name=full_name, honorific=honorific, email=email, post=post, password=password
        )
    typer.echo(password)


def new_password(username: str) -> None:
    """Make a new password for who has forgotten theirs, print it once, and sign them out everywhere; be sure who is asking."""
    from idp.accounts import actions
    from idp.accounts.passwords import hash_password
    from idp.login.lockout import forget_failures
    from idp.oidc.closing import sign_out

    password = actions.new_password()
    hashed = hash_password(password)

    def replace(tx: Any, at: Any, account: Any) -> None:
        actions.set_password(tx, at, account, hashed, actor="command")
        sign_out(tx, at, account, "password-changed")
        forget_failures(tx, account.username)

    _for_account(username, replace)
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


def add_administrator(username: str) -> None:
    """Give an official the right to make bodies and import members (meetings' `DATABASE_URL`)."""
    from meetings.access.actions import name_administrator

    with writing() as (tx, at):
        name_administrator(tx, at, checked_username(username))


def remove_administrator(username: str) -> None:
    """Take that right away again (meetings' `DATABASE_URL`), at once; the last administrator keeps it."""
    from meetings.access.actions import remove_administrator

    with writing() as (tx, at):
        remove_administrator(tx, at, checked_username(username))


def _for_account(username: str, deed: Any) -> None:
    from idp.accounts.models import find_by_username

    with writing() as (tx, at):
        account = find_by_username(tx, username)
        if account is None:
            raise typer.BadParameter("no such account")
        deed(tx, at, account)


COMMANDS: dict[str, Callable[..., None]] = {
    "create-account": create_account,
    "new-password": new_password,
    "remove-second-factor": remove_second_factor,
    "close-account": close_account,
    "open-account": open_account,
    "add-administrator": add_administrator,
    "remove-administrator": remove_administrator,
}
