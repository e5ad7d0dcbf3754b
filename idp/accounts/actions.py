import secrets
from datetime import datetime

from sqlalchemy.orm import Session

from idp.accounts.models import Account, find_by_username
from idp.accounts.passwords import hash_password
from idp.accounts.problems import UsernameTaken
from idp.accounts.rules import Honorific, checked_password, checked_username, readable_password
from shared import audit
from shared.ids import new_id
from shared.words import nfc


def create_account(
    tx: Session,
    now: datetime,
    *,
    username: str,
    full_name: str,
    honorific: Honorific | str,
    password: str = "",
    password_hash: str = "",
    email: str = "",
    phone: str = "",
    address: str = "",
    post: str = "",
    unit_id: str | None = None,
) -> Account:
    """A new active account; refuses a taken or malformed user name and a weak password.

    `password_hash` stands in place of the password where many are made in one transaction, which is not to wait for them.
    """
    username = checked_username(username)
    password_hash = password_hash or hash_password(checked_password(password, username))  # before the first statement
    if find_by_username(tx, username):
        raise UsernameTaken()
    account = Account(
        id=new_id(),
        username=username,
        full_name=nfc(full_name),
        honorific=Honorific(honorific),
        email=nfc(email),
        email_verified=bool(email),  # both are entered by an administrator, who knows them
        phone=phone,
        phone_verified=bool(phone),
        address=nfc(address),
        post=nfc(post),
        unit_id=unit_id,
        active=True,
        password_hash=password_hash,
        created_at=now,
        updated_at=now,
    )
    tx.add(account)
    audit.record(tx, now, "account.created", object=account.id, username=username)
    return account


def set_password(tx: Session, now: datetime, account: Account, password_hash: str, *, actor: str = "-") -> None:
    """Replace the password. Sessions are not ended here: the caller knows which one may stay."""
    account.password_hash = password_hash
    audit.record(tx, now, "password.changed", actor=actor, object=account.id)


def deactivate(tx: Session, now: datetime, account: Account, *, actor: str = "-") -> None:
    """Close the account: no sign-in, no token; sessions and grants of it are dead from this instant."""
    account.active = False
    audit.record(tx, now, "account.deactivated", actor=actor, object=account.id)


def reactivate(tx: Session, now: datetime, account: Account, *, actor: str = "-") -> None:
    """Open a closed account again."""
    account.active = True
    audit.record(tx, now, "account.reactivated", actor=actor, object=account.id)


def new_password() -> str:
    """A fresh readable password, strong enough to keep."""
    return readable_password(secrets.token_bytes(16))
