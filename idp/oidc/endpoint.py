"""The pipeline of every endpoint that clients and browsers call by the protocol.

Read the parameters once, run the work in one transaction, answer in RFC 6749's shape, write one audit event for a refusal.
These endpoints stand before FastAPI's routing, whose resolving of dependencies in threads costs several times a signature,
and share their commits (`shared.group_commit`): the measurement is `make bench-idp`, the table stands in docs/performance.md.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
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
from shared.db import NotKept
from shared.problems import MethodNotAllowed

MOST_FETCHES = 3
# Answers to a poll, of which none is a refusal; and one that `floods` records by itself.
UNRECORDED = {"authorization_pending", "slow_down", "temporarily_unavailable"}


@dataclass(slots=True)
class Call:
    """One request to an endpoint, inside its transaction. `key` is the proof of possession that came with it (RFC 7800);
    `headers` go out with the answer, also with a refusal."""

    request: Request
    tx: Session
    now: datetime
    settings: IdpSettings
    fetched: Fetched
    params: Params = field(default_factory=dict)
    pairs: Pairs = ()
    client: Client | None = None
    key: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def caller(self) -> Client:
        """The client that has authenticated."""
        assert self.client is not None  # noqa: S101
        return self.client


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """What a work may give instead of an answer: `deed` is awaited while no transaction is open, then `then` works on with
    what came of it, in the next one. For what takes long and may not hold up others (a password's hash)."""

    deed: Callable[[], Awaitable[Any]]
    then: Callable[[Any, Call], Response]


Work = Callable[[Call], Response | Meanwhile]
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

        def inside(work: Work, tx: Session) -> Outcome:
            call = Call(request, tx, instant, request.app.state.settings, fetched, pairs=pairs)
            return _for_page(work, call) if page else _for_client(work, call, act, reading)

        reading = reads(request, pairs) if callable(reads) else reads
        group, now_do = db.reads if reading else db.writes, work
        for _ in range(MOST_FETCHES + 1):
            done: Outcome
            try:
                done = inside(now_do, db.memory()) if reading else await group.run(partial(inside, now_do))
            except NotKept:
                done = await group.run(partial(inside, now_do))
            if isinstance(done, Meanwhile):
                now_do = partial(done.then, await done.deed())
                continue
            if isinstance(done, MustFetch):
                await fetch(request.app, done, fetched)
                continue
            if isinstance(done, _Refused):
                await db.writes.run(done.record)
                return done.answer
            return done
        raise RuntimeError("a work that is never done with fetching")

    return answer


def only_reads(request: Request, pairs: Pairs) -> bool:
    """For an endpoint that writes only what a request brings that must not come twice: a proof or an assertion."""
    return all(name != b"dpop" for name, _ in request.scope["headers"]) and all(name != "client_assertion" for name, _ in pairs)


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


Outcome = Response | Meanwhile | MustFetch | _Refused


def _for_page(work: Work, call: Call) -> Response | Meanwhile | MustFetch:
    try:
        call.params = once(call.pairs)
        return work(call)
    except MustFetch as wish:
        return wish
    except OAuth2Error as error:  # nothing is known yet that an answer could be trusted to
        raise RequestRefused(error=error.error, reason=error.description or "") from None


def _for_client(work: Work, call: Call, act: str, reads: bool) -> Outcome:
    try:
        call.params = once(call.pairs)
        answer = work(call)
        if isinstance(answer, Response):
            _add(answer, call.headers)
        return answer
    except MustFetch as wish:
        return wish
    except OAuth2Error as error:
        # Not raised any further: what was written on the way (a revoked grant) is committed with it.
        refused = _Refused(call, act, error, refusal(error))
        _add(refused.answer, call.headers)
        if reads:
            return refused
        if error.error not in UNRECORDED:
            refused.record(call.tx)
        return refused.answer


def _add(answer: Response, headers: dict[str, str]) -> None:
    if headers:
        answer.headers.update(headers)
