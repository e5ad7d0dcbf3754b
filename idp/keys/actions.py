import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from idp.keys.models import StoredKey
from idp.keys.sealing import seal, unseal
from shared import audit, clock
from shared.db import forget, kept, lock
from shared.settings import Settings
from shared.tokens import ALGORITHMS, Keys, SigningKey, generate_key, import_keys

PURPOSE = "signing-key"
OVERLAP = timedelta(minutes=10)  # twice as long as anybody may keep the published keys


def ensure_keys(tx: Session, now: datetime, settings: Settings) -> None:
    """Make a key for each algorithm that has none in use."""
    lock(tx, "signing-keys")
    in_use = set(tx.scalars(select(StoredKey.algorithm).where(StoredKey.retired_at.is_(None))))
    for algorithm in ALGORITHMS:
        if algorithm not in in_use:
            _make_key(tx, now, settings, algorithm)


def rotate_keys(
    tx: Session, now: datetime, settings: Settings, *, overlap: timedelta = OVERLAP, compromised: bool = False
) -> None:
    """Publish new keys, and sign with them after the overlap, when every application has fetched them. The old ones stay
    published until nothing that they signed is valid any more; `compromised` ones go at once, with all that they signed."""
    lock(tx, "signing-keys")
    forget(tx, "signing-keys")
    known, then = select(StoredKey), now + overlap
    signing = known.where(or_(StoredKey.retired_at.is_(None), StoredKey.retired_at > then))
    for old in tx.scalars(known if compromised else signing).all():
        if compromised:
            tx.delete(old)
        else:
            old.retired_at = then
        audit.record(tx, now, "key.withdrawn" if compromised else "key.retired", object=old.kid, algorithm=old.algorithm)
    for algorithm in ALGORITHMS:
        _make_key(tx, now, settings, algorithm)


def _make_key(tx: Session, now: datetime, settings: Settings, algorithm: str) -> None:
    forget(tx, "signing-keys")
    key = generate_key(algorithm)
    plain = json.dumps(key.as_dict(private=True)).encode()
    sealed = seal(settings.secret.get_secret_value(), PURPOSE, plain)
    tx.add(StoredKey(kid=str(key.kid), algorithm=algorithm, sealed=sealed, created_at=now))
    audit.record(tx, now, "key.made", object=str(key.kid), algorithm=algorithm)


@dataclass(frozen=True, eq=False)
class KeyRing:
    """`known`: every key whose signatures still count. `in_use`: algorithm -> the one that signs: the oldest not retired."""

    known: Keys
    in_use: dict[str, SigningKey]


def key_ring(tx: Session, settings: Settings) -> KeyRing:
    """The same object until a key is made or retired."""

    def load() -> KeyRing:
        rows = tx.execute(select(StoredKey.sealed, StoredKey.retired_at).order_by(StoredKey.created_at))
        now = clock.now()
        signs = ((row.sealed, row.retired_at is None or now < row.retired_at) for row in rows)
        return _open(tuple(signs), settings.secret.get_secret_value())

    return kept(tx, "signing-keys", load)


@lru_cache(maxsize=4)
def _open(stored: tuple[tuple[str, bool], ...], secret: str) -> KeyRing:
    # Parsing an RSA key costs more than a signature with it.
    known = import_keys({"keys": [json.loads(unseal(secret, PURPOSE, sealed)) for sealed, _ in stored]})
    keys: list[Any] = list(known.keys)
    newest_first = reversed(list(zip(keys, stored, strict=True)))
    return KeyRing(known, {str(key.alg): key for key, (_, in_use) in newest_first if in_use})


def signing_key(tx: Session, settings: Settings, algorithm: str) -> SigningKey:
    """The key that signs with `algorithm`."""
    return key_ring(tx, settings).in_use[algorithm]


def all_keys(tx: Session, settings: Settings) -> Keys:
    """Every key whose signatures still count, to verify our own tokens."""
    return key_ring(tx, settings).known


def published(tx: Session, settings: Settings) -> dict[str, Any]:
    """The JWKS: public halves only."""
    return dict(all_keys(tx, settings).as_dict(private=False))
