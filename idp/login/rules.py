"""What a stored authorization request needs next: the whole sign-in policy in one pure function; and how long failures wait."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

PASSWORD = "urn:dienhong:acr:password"  # noqa: S105
TWO_FACTOR = "urn:dienhong:acr:two-factor"
HALF_WAY = timedelta(minutes=10)  # for which a right password waits for the code that belongs to it
REQUEST_LIFETIME = timedelta(minutes=30)

FREE_TRIES = 5
FORGOTTEN_AFTER = timedelta(hours=1)
LONGEST_WAIT = timedelta(minutes=15)
CLOCKS_APART = timedelta(minutes=1)  # of the machines that serve at once


def is_fresh(now: datetime, seen_at: datetime, expires_at: datetime, idle: timedelta) -> bool:
    """Not too old and not idle. One that was seen later than now would outlive its limit: a clock was set back."""
    return now < expires_at and -CLOCKS_APART <= now - seen_at <= idle


class Step(StrEnum):
    SIGN_IN = "sign-in"
    SECOND_FACTOR = "second-factor"
    CHOOSE = "choose-account"
    CONSENT = "consent"
    ISSUE = "issue"
    # Refusals carry the error code that goes to the client (OpenID Connect Core, 3.1.2.6).
    LOGIN_REQUIRED = "login_required"
    CONSENT_REQUIRED = "consent_required"
    ACCESS_DENIED = "access_denied"
    UNMET = "unmet_authentication_requirements"  # OpenID Connect Core Error Code unmet_authentication_requirements 1.0


class Asked(Protocol):
    @property
    def prompts(self) -> list[str]: ...
    @property
    def max_age(self) -> int | None: ...
    @property
    def hint_subject(self) -> str | None: ...
    @property
    def scopes(self) -> list[str]: ...
    @property
    def asked(self) -> dict[str, Any]: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def consented_at(self) -> datetime | None: ...
    @property
    def denied_at(self) -> datetime | None: ...


@dataclass(frozen=True)
class SignedIn:
    """Who sits at the browser: `allowed` are the scopes that this person has already given to this client."""

    subject: str
    auth_time: datetime
    allowed: frozenset[str] = frozenset()
    acr: str = ""


class RelyingParty(Protocol):
    @property
    def trusted(self) -> bool: ...


def next_step(request: Asked, session: SignedIn | None, client: RelyingParty | None, now: datetime) -> Step:
    """Decide for a stored request; `client` None is the portal. Every page returns here, and only here one goes on."""
    silent = "none" in request.prompts
    if request.denied_at:
        return Step.ACCESS_DENIED
    fresh = session is not None and session.auth_time >= request.created_at  # for this very request
    if session is None or _must_sign_in_again(request, session, now, fresh=fresh):
        return Step.LOGIN_REQUIRED if silent or (fresh and _is_another(request, session)) else _ask_who(request, now)
    if _acr_is_missing(request, session):
        return Step.UNMET if silent or fresh else _ask_who(request, now)
    if client is not None and _must_consent(request, session, client):
        return Step.CONSENT_REQUIRED if silent else Step.CONSENT
    return Step.ISSUE


def half_way(request: Asked, now: datetime) -> bool:
    """Whether the password was right and its code is still missing."""
    proved = request.asked.get("proved")
    return bool(proved and now.timestamp() - proved["at"] < HALF_WAY.total_seconds())


def _ask_who(request: Asked, now: datetime) -> Step:
    if half_way(request, now):
        return Step.SECOND_FACTOR
    return Step.CHOOSE if "select_account" in request.prompts and "chosen" not in request.asked else Step.SIGN_IN


def _is_another(request: Asked, session: SignedIn | None) -> bool:
    return session is not None and request.hint_subject not in (None, session.subject)


def _acr_is_missing(request: Asked, session: SignedIn) -> bool:
    """A `claims` request may demand one of some values (Core, 5.5.1.1); any other wish for an acr is only a wish."""
    return bool(request.asked.get("essential_acr")) and session.acr not in request.asked["essential_acr"]


def _must_sign_in_again(request: Asked, session: SignedIn, now: datetime, *, fresh: bool) -> bool:
    if _is_another(request, session):
        return True
    if fresh:  # else max_age=0 would never end
        return False
    if "login" in request.prompts or ("select_account" in request.prompts and request.asked.get("chosen") != session.subject):
        return True
    return request.max_age is not None and now - session.auth_time > timedelta(seconds=request.max_age)


def _must_consent(request: Asked, session: SignedIn, client: RelyingParty) -> bool:
    if request.consented_at:
        return False
    if "consent" in request.prompts:
        return True
    # What was allowed once for scopes says nothing of the details of another day.
    return not client.trusted and ("details" in request.asked or not session.allowed.issuperset(shown(request)))


def shown(request: Asked) -> list[str]:
    """The scopes that a person is asked for: also those whose claims a `claims` request names one by one."""
    return [*request.scopes, *request.asked.get("beyond", [])]


def normal_code(typed: str) -> str:
    """A code as it is compared: letters and digits only, upper case."""
    return "".join(sign for sign in typed.upper() if sign.isascii() and sign.isalnum())[:20]


def wait_after(failures: int) -> timedelta | None:
    """How long a name takes no password after that many failures in a row: from the fifth, 1, 2, 4, 8, then 15 minutes."""
    if failures < FREE_TRIES:
        return None
    return min(timedelta(minutes=2 ** min(failures - FREE_TRIES, 10)), LONGEST_WAIT)
