"""What may come once only: assertions of clients, proofs of possession."""

from datetime import datetime

from idp.oidc import store
from idp.oidc.endpoint import Call
from idp.oidc.store import Kind
from shared.db import after_commit

LONGEST_ID = 256  # signs of a `jti`


def first_time(call: Call, kind: Kind, secret: str, until: datetime) -> bool:
    """True for the first request that brings it, however often that request's work is run; False for all others.

    A run that ends in a fetch is committed, so what it has remembered is told apart from what another request brought.
    """
    mine: set[str] = call.request.scope["state"].setdefault("remembered", set())
    name = f"{kind} {secret}"
    if name in mine:
        return True
    if not store.remember(call.tx, kind, secret, until):
        return False
    after_commit(call.tx, lambda: mine.add(name))
    return True
