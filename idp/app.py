"""The wiring list of the identity provider."""

from functools import partial
from pathlib import Path

import anyio
import structlog
from anyio import to_thread
from fastapi import FastAPI

from idp.keys.actions import ensure_keys, key_ring
from idp.login import choice, password, second_factor
from idp.login.sessions import ENDED, end_expired
from idp.oidc import (
    authorize,
    backchannel,
    ciba,
    consent,
    device,
    discovery,
    end_session,
    introspection,
    par,
    registration,
    revocation,
    session_state,
    token,
    userinfo,
)
from idp.oidc.cors import cross_origin
from idp.oidc.floods import crowd_out
from idp.oidc.outbound import Outbound
from idp.oidc.sweeping import SWEEP, plan_sweep, sweep
from idp.pages.page import HERE, KeptFiles, compile_all, problem_page
from idp.portal import password as new_password
from idp.portal import routes as portal
from idp.portal import second_factor as enrolment
from idp.settings import IdpSettings
from shared.app import Service, create_app
from shared.clock import now

ROUTERS = (
    choice.router,
    consent.router,
    registration.router,
    end_session.router,
    session_state.router,
    portal.router,
    device.router,
    ciba.router,
    second_factor.router,
    enrolment.router,
)

LOOK = 5.0  # seconds between two looks for sessions that have run out, and for floods
log = structlog.get_logger()

# The protocol's endpoints: see `idp.oidc.endpoint` for why they are not routes.
ENDPOINTS = {
    "/.well-known/openid-configuration": cross_origin(discovery.describe),
    "/.well-known/oauth-authorization-server": cross_origin(discovery.describe),
    "/jwks": cross_origin(discovery.jwks),
    "/login": password.username,
    "/login/password": password.password,
    "/password": new_password.password,
    "/authorize": authorize.answer,
    "/par": par.answer,
    "/token": cross_origin(token.answer),
    "/userinfo": cross_origin(userinfo.answer),
    "/introspect": introspection.answer,
    "/revoke": cross_origin(revocation.answer),
    "/device_authorization": cross_origin(device.answer),
    "/bc-authorize": ciba.answer,
    "/register": registration.answer,
}


def build(settings: IdpSettings) -> FastAPI:
    """The application; it expects a migrated database and does not change it."""
    service = Service(
        name="idp",
        routers=ROUTERS,
        locales=("idp", "shared"),
        jobs={ENDED: partial(backchannel.tell_all, settings), SWEEP: sweep},
        max_body=64 * 1024,
        own_host_only=True,
        direct=ENDPOINTS,
        background=(_prepare, _end_expired),
        problem_page=problem_page,
    )
    app = create_app(service, settings)
    app.state.outbound = Outbound()
    fonts = Path(__file__).parent / "static" / "fonts"
    app.mount("/static/fonts", KeptFiles(directory=fonts, check_dir=False))
    app.mount("/static", KeptFiles(directory=HERE / "static"))
    return app


async def _prepare(app: FastAPI) -> None:
    """As soon as the database is there: a background task that failed would end the others with it."""

    def work() -> None:
        with app.state.db.write() as tx:
            ensure_keys(tx, now(), app.state.settings)
            plan_sweep(tx, now())
            key_ring(tx, app.state.settings)  # read here, and not in the loop by the first who asks: it takes 80 ms
        compile_all()

    while True:
        try:
            return await to_thread.run_sync(work)
        except Exception:
            log.warning("keys.not-looked-at", exc_info=True)
            await anyio.sleep(LOOK)


async def _end_expired(app: FastAPI) -> None:
    """Whose session runs out is signed out everywhere, and their open sockets with them (tests/meetings/attacks: W03)."""
    work = partial(end_expired, app.state.db, settings=app.state.settings)
    while True:
        await anyio.sleep(LOOK)
        try:
            while await to_thread.run_sync(lambda: work(now=now())):
                pass  # others get their turn between two bites
            await to_thread.run_sync(crowd_out, app.state.db, now())
        except Exception:
            log.warning("sessions.not-looked-at", exc_info=True)
