"""A person's second factor: enrolled in the portal, asked for at each sign-in, replaced by a recovery code when it is lost."""

import hmac
import os
from datetime import datetime
from hashlib import sha256

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.orm import Session

from idp.keys.sealing import derive, seal, unseal
from idp.login.lockout import count_wrong_code, need_code_tries
from idp.login.models import RecoveryCode, SecondFactor
from idp.login.problems import CodesWait, WrongCode
from idp.login.rules import normal_code
from idp.login.totp import SECRET_BYTES, last_step, matching_step
from idp.settings import IdpSettings
from shared import audit
from shared.db import lock
from shared.ids import short_code
from shared.prepared import Prepared
from shared.problems import Problem

PURPOSE = "one-time-passwords"
RECOVERY_CODES = 10
_HAS = Prepared(
    select(SecondFactor.account_id).where(
        SecondFactor.account_id == bindparam("account"), SecondFactor.confirmed_at.is_not(None)
    )
)


def has_factor(tx: Session, account_id: str) -> bool:
    return _HAS.one(tx, account=account_id) is not None


def propose(tx: Session, now: datetime, settings: IdpSettings, account_id: str) -> bytes:
    """A fresh secret to enrol with; it counts for nothing until a code of it was typed. Refuses to touch one that counts."""
    secret = os.urandom(SECRET_BYTES)
    lock(tx, f"second-factor of {account_id}")  # of two clicks, one makes the row
    factor = tx.get(SecondFactor, account_id)
    if factor and factor.confirmed_at:
        return _secret(settings, factor)
    sealed = seal(settings.secret.get_secret_value(), PURPOSE, secret)
    tx.merge(SecondFactor(account_id=account_id, sealed=sealed, last_step=0, created_at=now, confirmed_at=None))
    return secret


def proposed(tx: Session, settings: IdpSettings, account_id: str) -> bytes | None:
    """The secret that waits for its first code."""
    factor = tx.get(SecondFactor, account_id)
    return _secret(settings, factor) if factor and factor.confirmed_at is None else None


def confirm(tx: Session, now: datetime, settings: IdpSettings, account_id: str, typed: str) -> list[str]:
    """Turn it on by its first code; the recovery codes, shown this once. `WrongCode` is to be answered, not passed on."""
    need_code_tries(tx, now, _tries(account_id))
    factor = tx.get(SecondFactor, account_id, with_for_update=True, populate_existing=True)
    if factor is None or factor.confirmed_at or not _is_code(tx, now, settings, factor, typed):
        count_wrong_code(tx, now, _tries(account_id))
        raise WrongCode()
    factor.confirmed_at = now
    audit.record(tx, now, "second-factor.added", actor=account_id, object=account_id)
    return new_recovery_codes(tx, now, settings, account_id)


def new_recovery_codes(tx: Session, now: datetime, settings: IdpSettings, account_id: str) -> list[str]:
    """Ten codes, each good for one sign-in; older ones are dead."""
    codes = [short_code(os.urandom(8), 10) for _ in range(RECOVERY_CODES)]
    tx.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account_id))
    tx.add_all(RecoveryCode(digest=_digest(settings, account_id, code), account_id=account_id) for code in codes)
    audit.record(tx, now, "recovery-codes.made", actor=account_id, object=account_id)
    return codes


def unused_codes(tx: Session, account_id: str) -> int:
    mine = RecoveryCode.account_id == account_id, RecoveryCode.used_at.is_(None)
    return tx.scalar(select(func.count()).select_from(RecoveryCode).where(*mine)) or 0


def prove(tx: Session, now: datetime, settings: IdpSettings, account_id: str, typed: str) -> None:
    """Take a code of the application or a recovery code, each once. `CodesWait` and `WrongCode` are to be answered, not passed
    on, so that the count is kept: five wrong ones in a quarter of an hour, in however many sessions."""
    try:
        need_code_tries(tx, now, _tries(account_id))
    except CodesWait as problem:
        raise _refused(tx, now, account_id, problem) from None
    factor = tx.get(SecondFactor, account_id, populate_existing=True)
    if factor and factor.confirmed_at and _is_code(tx, now, settings, factor, typed):
        return
    if factor and factor.confirmed_at and _is_recovery_code(tx, now, settings, account_id, typed):
        audit.record(tx, now, "recovery-code.used", actor=account_id, object=account_id)
        return
    count_wrong_code(tx, now, _tries(account_id))
    raise _refused(tx, now, account_id, WrongCode())


def _refused(tx: Session, now: datetime, account_id: str, problem: Problem) -> Problem:
    audit.record(tx, now, "second-factor.refused", actor=account_id, object=account_id, reason=problem.code)
    return problem


def remove_factor(tx: Session, now: datetime, account_id: str, *, actor: str) -> None:
    """From now on the password is enough again."""
    for table in (RecoveryCode, SecondFactor):
        tx.execute(delete(table).where(table.account_id == account_id))
    audit.record(tx, now, "second-factor.removed", actor=actor, object=account_id)


def spend_codes(tx: Session, now: datetime) -> None:
    """No code of any account that could have been used until now counts again; people make new recovery codes in the portal."""
    newest = last_step(now)
    tx.execute(update(SecondFactor).where(SecondFactor.last_step < newest).values(last_step=newest))
    tx.execute(update(RecoveryCode).where(RecoveryCode.used_at.is_(None)).values(used_at=now))


def _is_code(tx: Session, now: datetime, settings: IdpSettings, factor: SecondFactor, typed: str) -> bool:
    step = matching_step(_secret(settings, factor), normal_code(typed), now)
    if step is None:
        return False
    # Of two who come with the same code at once, one moves the step on.
    later = SecondFactor.account_id == factor.account_id, SecondFactor.last_step < step
    moved = update(SecondFactor).where(*later).values(last_step=step).execution_options(synchronize_session=False)
    return bool(tx.execute(moved.returning(SecondFactor.account_id)).one_or_none())


def _is_recovery_code(tx: Session, now: datetime, settings: IdpSettings, account_id: str, typed: str) -> bool:
    unused = RecoveryCode.digest == _digest(settings, account_id, typed), RecoveryCode.used_at.is_(None)
    using = update(RecoveryCode).where(*unused).values(used_at=now).returning(RecoveryCode.account_id)
    return tx.execute(using).one_or_none() is not None


def _digest(settings: IdpSettings, account_id: str, code: str) -> str:
    # Under a key: fifty bits alone would be found again from a stolen table.
    key = derive(settings.secret.get_secret_value(), "recovery-codes")
    return hmac.new(key, f"{account_id} {normal_code(code)}".encode(), sha256).hexdigest()


def _secret(settings: IdpSettings, factor: SecondFactor) -> bytes:
    return unseal(settings.secret.get_secret_value(), PURPOSE, factor.sealed)


def _tries(account_id: str) -> str:
    return f"second-factor/{account_id}"
