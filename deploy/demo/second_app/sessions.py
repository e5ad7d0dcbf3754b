"""Sessions of the second application: kept here, known to the browser by a random id only, ended from outside by `sid`."""

import threading
from collections.abc import MutableMapping
from datetime import datetime, timedelta
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.clock import now
from shared.ids import digest, new_token

LIFETIME = timedelta(hours=8)
MOST = 10_000  # sessions; the oldest go first, so a crowd of strangers cannot fill the memory

Data = dict[str, Any]


class Store:
    """In memory: this application starts empty, and the province's sign-on brings people back without a question."""

    def __init__(self) -> None:
        self._sessions: dict[str, tuple[datetime, Data]] = {}
        self._lock = threading.Lock()

    def add(self, data: Data) -> str:
        """Keep a new session; returns its id."""
        token = new_token()
        with self._lock:
            while len(self._sessions) >= MOST:
                self._sessions.pop(next(iter(self._sessions)))
            self._sessions[digest(token)] = (now() + LIFETIME, dict(data))
        return token

    def find(self, token: str) -> Data | None:
        ends, data = self._sessions.get(digest(token), (None, {}))
        return dict(data) if ends and now() < ends else None

    def update(self, token: str, data: Data) -> None:
        """Replace what a session holds; a session that was ended meanwhile stays ended."""
        with self._lock:
            if known := self._sessions.get(digest(token)):
                self._sessions[digest(token)] = (known[0], dict(data))

    def drop(self, token: str) -> None:
        with self._lock:
            self._sessions.pop(digest(token), None)

    def end(self, *, sid: str | None, sub: str | None) -> int:
        """End every session of `sid`, or where no `sid` is given of `sub`; returns how many."""
        with self._lock:
            gone = [
                key
                for key, (_, data) in self._sessions.items()
                if (data.get("sid") == sid if sid else sub and data.get("sub") == sub)
            ]
            for key in gone:
                del self._sessions[key]
        return len(gone)


class Sessions:
    """ASGI middleware: `request.session` is a dictionary; emptying it ends the session.

    `renew(request.session)` gives it a new id, so that one planted before sign-in is worth nothing after it.
    """

    def __init__(self, app: ASGIApp, store: Store, secure: bool) -> None:
        self._app, self._store, self._secure = app, store, secure
        self._cookie = "__Host-calendar" if secure else "calendar"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        token = cookie_parser(Headers(scope=scope).get("cookie", "")).get(self._cookie, "")
        known = self._store.find(token)
        session: Data = dict(known or {})
        scope["session"] = session

        async def settling_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._settle(token, known, session, MutableHeaders(scope=message))
            await send(message)

        await self._app(scope, receive, settling_send)

    def _settle(self, token: str, known: Data | None, session: Data, headers: MutableHeaders) -> None:
        renewed = bool(session.pop("_renew", False))
        if known is not None and (renewed or not session):
            self._store.drop(token)
        if session and (known is None or renewed):
            self._set_cookie(headers, self._store.add(session), int(LIFETIME.total_seconds()))
        elif session != known and session:
            self._store.update(token, session)
        elif token and not session:
            self._set_cookie(headers, "", 0)

    def _set_cookie(self, headers: MutableHeaders, value: str, seconds: int) -> None:
        secure = "; Secure" if self._secure else ""
        headers.append("Set-Cookie", f"{self._cookie}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")


def renew(session: MutableMapping[str, Any]) -> None:
    session["_renew"] = True
