from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from idp.clients.models import Client, InitialAccessToken
from idp.clients.rules import AuthMethod, Metadata
from shared import audit
from shared.db import forget
from shared.ids import digest, new_id, new_token

BY_SECRET = (AuthMethod.BASIC, AuthMethod.POST)


def register_client(
    tx: Session, now: datetime, metadata: Metadata, *, client_id: str | None = None, actor: str = "-"
) -> tuple[Client, str | None]:
    """A new client and its secret, which is shown this once; None for one that authenticates in another way."""
    metadata.check()
    secret = new_token() if metadata.auth_method in BY_SECRET else None
    client = Client(
        id=client_id or f"app-{new_id()}",
        secret_digest=digest(secret) if secret else None,
        active=True,
        registration_token_digest=None,
        created_at=now,
        **_members(metadata),
    )
    tx.add(client)
    audit.record(tx, now, "client.registered", actor=actor, object=client.id, name=client.name)
    return client, secret


def _members(metadata: Metadata) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(metadata).items()}


def change_client(tx: Session, now: datetime, client: Client, metadata: Metadata, *, actor: str = "-") -> str | None:
    """Put other metadata in the place of a client's; a secret only where it needs one and has none yet."""
    metadata.check()
    members = _members(metadata)
    changed = sorted(name for name, value in members.items() if getattr(client, name) != value)
    for name in changed:
        setattr(client, name, members[name])
    secret = None
    if metadata.auth_method not in BY_SECRET:
        client.secret_digest = None
    elif client.secret_digest is None:
        secret = new_token()
        client.secret_digest = digest(secret)
    forget(tx, f"client/{client.id}")
    audit.record(tx, now, "client.changed", actor=actor, object=client.id, members=changed)
    return secret


def make_registration_token(client: Client) -> str:
    """The secret with which a client that registered itself may read and delete its registration (RFC 7592)."""
    token = new_token()
    client.registration_token_digest = digest(token)
    return token


def remove_client(tx: Session, now: datetime, client: Client, *, actor: str = "-") -> None:
    """Close a client: it keeps its row, since grants and audit events name it, and can do nothing any more."""
    client.active = False
    client.registration_token_digest = None
    forget(tx, f"client/{client.id}")
    audit.record(tx, now, "client.removed", actor=actor, object=client.id)


def make_initial_access_token(tx: Session, now: datetime, lifetime: timedelta = timedelta(days=30)) -> str:
    """A token that lets its holder register clients until it expires; only its digest is kept."""
    token = new_token()
    tx.add(InitialAccessToken(digest=digest(token), created_at=now, expires_at=now + lifetime))
    audit.record(tx, now, "initial-access-token.made", object=digest(token)[:12])
    return token
