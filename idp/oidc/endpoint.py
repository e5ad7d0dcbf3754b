"""The pipeline of every endpoint that clients and browsers call by the protocol.

Read the parameters once, run the work in one transaction, answer in RFC 6749's shape, write one audit event for a refusal.
These endpoints stand before FastAPI's routing, whose resolving of dependencies in threads costs several times a signature,
and share their commits (`shared.group_commit`): the measurement is `make bench-idp`, the table stands in docs/performance.md.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from authlib.oauth2 import OAuth2Error
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from idp.clients.models import Client
from idp.oidc.answers import refusal
from idp.oidc.outbound import Fetched, MustFetch, fetch
from idp.oidc.params import Pairs, Params, once, read_pairs
from idp.oidc.problems import RequestRefused
from idp.settings import IdpSettings
from shared import audit, clock
from shared.problems import MethodNotAllowed

MOST_FETCHES = 3
NOT_YET = {"authorization_pending", "slow_down"}  # answers to a poll, of which none is a refusal


@dataclass(slots=True)
class Call:
    """One request to an endpoint, inside its transaction. `key` is the proof of possession that came with it (RFC 7800)."""

    request: Request
    tx: Session
    now: datetime
    settings: IdpSettings
    fetched: Fetched
    params: Params = field(default_factory=dict)
    pairs: Pairs = ()
    client: Client | None = None
    key: dict[str, str] = field(default_factory=dict)

    @property
    def caller(self) -> Client:
        """The client that has authenticated."""
        assert self.client is not None  # noqa: S101
        return self.client


Work = Callable[[Call], Response]
Direct = Callable[[Request], Awaitable[Response]]
Reads = bool | Callable[[Request, Pairs], bool]


def endpoint(work: Work, *methods: str, reads: Reads = False, page: bool = False, name: str | None = None) -> Direct:
    """An endpoint that does `work` in one transaction; `reads`: in one that cannot write (always, or where it says so);
    `page`: refusals are for a person.

    `work` may run more than once: alone after a failed group, and again when something was fetched for it.
    """
    act = f"refused.{name or work.__name__.replace('_', '-')}"

    async def answer(request: Request) -> Response:
        db, fetched = request.app.state.db, Fetched()
        instant = request.app.dependency_overrides.get(clock.now, clock.now)()
        if request.method not in methods:
            raise MethodNotAllowed()
        pairs = await read_pairs(request)

        def inside(tx: Session) -> Response | MustFetch | _Refused:
            call = Call(request, tx, instant, request.app.state.settings, fetched, pairs=pairs)
            return _for_page(work, call) if page else _for_client(work, call, act, reading)

        reading = reads(request, pairs) if callable(reads) else reads
        group = db.reads if reading else db.writes
        for _ in range(MOST_FETCHES):
            done: Response | MustFetch | _Refused = await group.run(inside)
            if isinstance(done, MustFetch):
                await fetch(request.app, done, fetched)
                continue
            if isinstance(done, _Refused):
                await db.writes.run(done.record)
                return done.answer
            return done
        raise RuntimeError("a work that is never done with fetching")

    return answer


@dataclass(frozen=True, slots=True)
class _Refused:
    """What a reading endpoint has refused: it is told, and written afterwards."""

    call: Call
    act: str
    error: OAuth2Error
    answer: Response

    def record(self, tx: Session) -> None:
        facts: dict[str, Any] = {"error": str(self.error.error)}
        if self.error.description:
            facts["reason"] = str(self.error.description)[:200]
        actor = self.call.client.id if self.call.client else self.call.params.get("client_id", "-")[:100]
        audit.record(tx, self.call.now, self.act, actor=actor, **facts)


def _for_page(work: Work, call: Call) -> Response | MustFetch:
    try:
        call.params = once(call.pairs)
        return work(call)
    except MustFetch as wish:
        return wish
    except OAuth2Error as error:  # nothing is known yet that an answer could be trusted to
        raise RequestRefused(error=error.error, reason=error.description or "") from None


def _for_client(work: Work, call: Call, act: str, reads: bool) -> Response | MustFetch | _Refused:
    try:
        call.params = once(call.pairs)
        return work(call)
    except MustFetch as wish:
        return wish
    except OAuth2Error as error:
        # Not raised any further: what was written on the way (a revoked grant) is committed with it.
        refused = _Refused(call, act, error, refusal(error))
        if reads:
            return refused
        if error.error not in NOT_YET:
            refused.record(call.tx)
        return refused.answer
