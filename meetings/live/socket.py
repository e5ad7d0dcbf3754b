"""The socket that reads a meeting's log aloud."""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta

from anyio.to_thread import run_sync
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import ValidationError
from sqlalchemy import delete
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from meetings.live import log, snapshot
from meetings.live.frames import EventsFrame, Frame, Hello, SnapshotFrame
from meetings.live.hub import Hub, Listener
from meetings.live.log import Level
from meetings.live.models import Ticket
from shared.clock import now
from shared.db import Database
from shared.ids import digest, new_token

router = APIRouter()
TICKET_LIFE = timedelta(minutes=1)
TAIL_LIMIT = 1000  # a reader further behind gets a snapshot
HELLO_WITHIN = 10  # seconds
SOCKETS_PER_SESSION = 8


def issue_ticket(tx: Session, instant: datetime, meeting_id: str, sid: str, member_id: str | None, level: Level) -> str:
    """One entry to one socket, valid for a minute; only its digest is stored."""
    token = new_token()
    tx.execute(delete(Ticket).where(Ticket.expires_at < instant))
    tx.add(
        Ticket(
            digest=digest(token),
            meeting_id=meeting_id,
            sid=sid,
            member_id=member_id,
            level=level,
            expires_at=instant + TICKET_LIFE,
        )
    )
    return token


def _redeem(db: Database, token: str) -> Ticket | None:
    with db.write() as tx:
        ticket = tx.get(Ticket, digest(token), with_for_update=True)
        if ticket:
            tx.delete(ticket)
        return ticket if ticket and ticket.expires_at >= now() else None


def _catch_up(db: Database, meeting_id: str, level: Level, hello: Hello) -> Frame:
    """The tail where epoch and distance allow it, else a snapshot: recovery is the same as starting."""
    with db.read() as tx:
        head = log.head(tx, meeting_id)
        if hello.epoch == head.epoch and hello.since is not None and 0 <= head.seq - hello.since <= TAIL_LIMIT:
            seen = [log.logged(event) for event in log.tail(tx, meeting_id, hello.since) if event.level <= level]
            return EventsFrame(after=hello.since, up_to=head.seq, events=seen)
        return SnapshotFrame(snapshot=snapshot.take(tx, meeting_id, level))


@router.websocket("/api/live")
async def live(socket: WebSocket, ticket: str = "") -> None:
    """Close codes: 4400 not understood, 4401 signed out, 4403 wrong origin or ticket, 4408 too slow, 4429 too many,
    1012 restart."""
    app = socket.app
    if socket.headers.get("origin") != app.state.settings.public_url:
        await socket.close(4403)
        return
    entry = await run_sync(_redeem, app.state.db, ticket[:200])
    if entry is None:
        await socket.close(4403)
        return
    await socket.accept()
    hub: Hub = app.state.hub
    if hub.sockets_of(entry.sid) >= SOCKETS_PER_SESSION:
        await socket.close(4429)
        return
    listener = Listener(sid=entry.sid, level=Level(entry.level), member_id=entry.member_id)
    await hub.join(entry.meeting_id, listener)
    reader = asyncio.create_task(_read(socket, app.state.db, entry.meeting_id, listener))
    try:
        await _write(socket, listener)
    finally:
        hub.leave(entry.meeting_id, listener)
        reader.cancel()
        with suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
            await reader


async def _read(socket: WebSocket, db: Database, meeting_id: str, listener: Listener) -> None:
    """Each `hello` is answered with what the client misses; anything else ends the socket."""
    within: int | None = HELLO_WITHIN
    try:
        while True:
            text = await asyncio.wait_for(socket.receive_text(), within)
            hello = Hello.model_validate_json(text[:1000])
            frame = await run_sync(_catch_up, db, meeting_id, listener.level, hello)
            listener.offer(frame.model_dump_json())
            within = None
    except (ValidationError, KeyError, TypeError, TimeoutError):  # KeyError, TypeError: bytes instead of text
        listener.end(4400)
    except SQLAlchemyError:
        listener.end(1012)
    except (WebSocketDisconnect, RuntimeError):
        listener.end(1000)


async def _write(socket: WebSocket, listener: Listener) -> None:
    with suppress(WebSocketDisconnect, RuntimeError):
        while listener.close_code is None:
            text = listener.take()
            if text is None:
                await listener.wake.wait()
            else:
                await socket.send_text(text)
        await socket.close(listener.close_code)
