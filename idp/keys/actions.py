import json
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from idp.keys.models import StoredKey
from idp.keys.sealing import seal, unseal
from shared import audit
from shared.db import forget, kept, lock
from shared.settings import Settings
from shared.tokens import ALGORITHMS, Keys, SigningKey, generate_key, import_keys

PURPOSE = "signing-key"


def ensure_keys(tx: Session, now: datetime, settings: Settings) -> None:
    """Make a key for each algorithm that has none in use."""
    lock(tx, "signing-keys")
    in_use = set(tx.scalars(select(StoredKey.algorithm).where(StoredKey.retired_at.is_(None))))
    for algorithm in ALGORITHMS:
        if algorithm not in in_use:
            _make_key(tx, now, settings, algorithm)


def rotate_keys(tx: Session, now: datetime, settings: Settings) -> None:
    """Sign with new keys from now on. The old ones stay published until nothing that they signed is valid any more."""
    lock(tx, "signing-keys")
    for old in tx.scalars(select(StoredKey).where(StoredKey.retired_at.is_(None))):
        old.retired_at = now
        audit.record(tx, now, "key.retired", object=old.kid, algorithm=old.algorithm)
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
    """`known`: every key whose signatures still count. `in_use`: algorithm -> the newest that signs."""

    known: Keys
    in_use: dict[str, SigningKey]


def key_ring(tx: Session, settings: Settings) -> KeyRing:
    """The same object until a key is made or retired."""

    def load() -> KeyRing:
        rows = tx.execute(select(StoredKey.sealed, StoredKey.retired_at).order_by(StoredKey.created_at))
        return _open(tuple((row.sealed, row.retired_at is None) for row in rows), settings.secret.get_secret_value())

    return kept(tx, "signing-keys", load)


@lru_cache(maxsize=4)
def _open(stored: tuple[tuple[str, bool], ...], secret: str) -> KeyRing:
    # Parsing an RSA key costs more than a signature with it.
    known = import_keys({"keys": [json.loads(unseal(secret, PURPOSE, sealed)) for sealed, _ in stored]})
    keys: list[Any] = list(known.keys)
    return KeyRing(known, {str(key.alg): key for key, (_, in_use) in zip(keys, stored, strict=True) if in_use})


def signing_key(tx: Session, settings: Settings, algorithm: str) -> SigningKey:
    """The newest key in use for `algorithm`."""
    return key_ring(tx, settings).in_use[algorithm]


def all_keys(tx: Session, settings: Settings) -> Keys:
    """Every key whose signatures still count, to verify our own tokens."""
    return key_ring(tx, settings).known


def published(tx: Session, settings: Settings) -> dict[str, Any]:
    """The JWKS: public halves only."""
    return dict(all_keys(tx, settings).as_dict(private=False))
