"""The wiring list of the meetings service: every router, every part of the snapshot, every job. Nothing else."""

from functools import partial
from typing import Any

from fastapi import FastAPI
from prometheus_client import Gauge

from docs_store.store import derive_key, open_store
from meetings.access import models as access_models
from meetings.access import relays
from meetings.access import routes as access
from meetings.agenda import door as seats
from meetings.agenda import models as agenda_models
from meetings.agenda import routes as agenda
from meetings.attendance import models as attendance_models
from meetings.attendance import routes as attendance
from meetings.bodies import routes as bodies
from meetings.bridges import routes as bridges
from meetings.bridges.health import Health
from meetings.invitations import actions as invitation_actions
from meetings.invitations import routes as invitations
from meetings.live import frames, hub, relay, snapshot, socket
from meetings.minutes import actions as minutes_actions
from meetings.minutes import models as minutes_models
from meetings.minutes import routes as minutes
from meetings.minutes.facts import as_at_the_close
from meetings.notes import routes as notes
from meetings.pages import routes as pages
from meetings.pages import verify
from meetings.papers import models as paper_models
from meetings.papers import routes as papers
from meetings.papers.door import is_nearly_full
from meetings.rehearsal import door as rehearsal_door
from meetings.rehearsal import process as rehearsal_process
from meetings.rehearsal import routes as rehearsal
from meetings.settings import MeetingsSettings
from meetings.speaking import models as speaking_models
from meetings.speaking import routes as speaking
from meetings.voting import actions as voting_actions
from meetings.voting import models as voting_models
from meetings.voting import routes as voting
from meetings.voting.box import Box
from meetings.voting.turnout import Turnout
from shared.app import Service, create_app
from shared.issuer import IssuerKeys

snapshot.parts |= {
    "meeting": agenda_models.meeting_view,
    "members": as_at_the_close("members", agenda_models.members_view),
    "agenda": agenda_models.agenda_view,
    "papers": paper_models.papers_view,
    "attendance": attendance_models.attendance_view,
    "bridges": as_at_the_close("bridges", attendance_models.bridges_view),
    "quorum": as_at_the_close("quorum", attendance_models.quorum_view),
    "speaking": speaking_models.speaking_view,
    "polls": voting_models.polls_view,
    "minutes": minutes_models.minutes_view,
}

ROUTERS = [
    access.router,
    bodies.router,
    agenda.router,
    invitations.router,
    attendance.router,
    attendance.members_router,
    bridges.router,
    bridges.bodies_router,
    papers.router,
    notes.router,
    speaking.router,
    voting.router,
    voting.items_router,
    minutes.router,
    rehearsal.router,
    socket.router,
    verify.router,
    pages.router,
]
LARGEST_PAPER = 101 << 20  # bytes of a request; a PDF may have 100 MB
FREE = Gauge("dienhong_storage_free_bytes", "Left on the disk under the documents")
FULL = Gauge("dienhong_storage_nearly_full", "1 while no new paper is taken in for want of space; votes go on")
LOCALES = ("shared", "docs_store", "meetings")


def build(settings: MeetingsSettings) -> FastAPI:
    """The ASGI application of the meetings service."""
    store = open_store(settings.storage_url, derive_key(settings.secret.get_secret_value(), "documents"))
    service = Service(
        name="meetings",
        routers=ROUTERS,
        locales=LOCALES,
        jobs={
            "poll.close": voting_actions.close_when_due,
            "invitation.send": partial(invitation_actions.send, settings),
            "minutes.prove": partial(minutes_actions.prove, settings, store),
            "rehearsal.run": rehearsal_process.start,
        },
        large_bodies={
            r"/api/meetings/[^/]+/items/[^/]+/papers": LARGEST_PAPER,
            r"/api/meetings/[^/]+/papers/[^/]+/versions": LARGEST_PAPER,
            "/verify": LARGEST_PAPER,
            r"/api/bodies/[^/]+/(members|bridges)/(preview|import)": 10 << 20,
        },
        csp=_csp(settings),
        background=[_listen, _watch_doors],
        sockets={"/api/live": socket.live, "/api/live/relay": relay.live_relay},
        problem_page=pages.unknown_page,
    )
    app = create_app(service, settings)
    app.state.store = store
    FREE.set_function(lambda: store.free()[0])
    FULL.set_function(lambda: is_nearly_full(app.state.db, store))
    app.state.issuer_keys = IssuerKeys(settings.issuer)
    app.state.let_in_simulated = rehearsal_door.let_in
    app.state.box = Box(app.state.db)
    app.state.health = Health(app.state.db)
    turnout = Turnout(app.state.box.many_come)
    app.state.hub = hub.Hub(app.state.db, turnout, access_models.ended_since, seats.levels_of, app.state.health.look)
    app.state.front = socket.Front(app.state.hub, app.state.db, app.state.box.take)
    app.state.admit_relay = partial(relays.admit_relay, settings, app.state.issuer_keys, partial(relays.epoch_of, app.state.db))
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


async def _listen(app: FastAPI) -> None:
    try:
        await app.state.bus.listen(app.state.hub.heard)
    finally:
        app.state.hub.close()
        app.state.box.close()
        app.state.health.close()
        app.state.front.tickets.close()


async def _watch_doors(app: FastAPI) -> None:
    await app.state.front.doors.watch()


def _csp(settings: MeetingsSettings) -> str:
    live = settings.public_url.replace("http", "ws", 1)
    return (
        f"default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; img-src 'self' blob: data:; "
        f"connect-src 'self' {live} {settings.issuer}; object-src 'none'; form-action 'self'"
    )


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The routes, and the socket's frames beside them, so that the web app gets both as types."""
    if not app.openapi_schema:
        schema = FastAPI.openapi(app)
        for frame in (*frames.Frame.__args__, frames.Hello, frames.VoteCast):
            part = frame.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
            schema["components"]["schemas"] |= part.pop("$defs", {}) | {frame.__name__: part}
        app.openapi_schema = schema
    return app.openapi_schema
