"""`dienhong routes`: each route of a service, who may call it, and what keeps another site from calling it for a person."""

from collections.abc import Iterator
from typing import Any, get_args

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from starlette.routing import Mount

from idp import inventory
from meetings.access import door
from meetings.agenda import door as seats
from meetings.bodies.routes import Managing

# The strictest first: a seat's dependency holds that of the person who is signed in.
CALLERS = (
    (seats.Conducting, "the chair or the secretary of the meeting"),
    (seats.Preparing, "the secretary of the meeting"),
    (seats.Voting, "a member with a vote in the meeting"),
    (seats.Delegated, "a delegate of the meeting"),
    (seats.Seated, "who has a seat in the meeting"),
    (Managing, "an administrator or the secretary of the body"),
    (door.Administering, "an administrator"),
    (door.SignedIn, "a person who is signed in"),
)
EVERYWHERE = ("/api/openapi.json", "/healthz", "/readyz", "/metrics")  # of shared.app, the same in each service
BEARER = "no cookie is read: an access token"
SOCKETS = {
    "/api/live": ("the bearer of a ticket for one use", "no cookie is read; Origin"),
    "/api/live/relay": ("the relay of a room", "no cookie is read: an access token of its own client"),
}


def routes(service: str) -> list[dict[str, Any]]:
    """Of `idp` or `meetings`: method, path, who, guard, and by which methods a client authenticates."""
    of_idp = list(_of_idp())
    return of_idp if service == "idp" else [*_of_meetings(), *(line for line in of_idp if line["path"] in EVERYWHERE)]


def mounted(app: FastAPI) -> Iterator[tuple[str, str, Dependant | None]]:
    """Method, path and dependencies of each route behind FastAPI's routing; a mount has the method `*`."""
    for route in iter_route_contexts(app.routes):
        without = "*" if isinstance(route.original_route, Mount) else "WS"
        for method in sorted(route.methods or {without}):
            yield method, str(route.path), getattr(route, "dependant", None)


def _of_idp() -> Iterator[dict[str, Any]]:
    for route in inventory.ROUTES:
        for method in route.methods:
            yield _line(method, route.path, str(route.who), str(route.guard), [str(one) for one in route.by])


def _of_meetings() -> Iterator[dict[str, Any]]:
    from meetings.app import ROUTERS

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    for router in ROUTERS:
        app.include_router(router)
    for method, path, dependant in mounted(app):
        who = _caller(dependant) if dependant else None
        if method == "WS":
            yield _line(method, path, *SOCKETS[path], [])
        else:
            yield _line(method, path, who or str(inventory.Who.ANYONE), BEARER if who else str(inventory.Guard.NO_COOKIE), [])


def _line(method: str, path: str, who: str, guard: str, by: list[str]) -> dict[str, Any]:
    return {"method": method, "path": path, "who": who, "guard": guard} | ({"by": by} if by else {})


def _caller(dependant: Dependant) -> str | None:
    asked = set(_calls(dependant))
    return next((words for door_, words in CALLERS if get_args(door_)[1].dependency in asked), None)


def _calls(dependant: Dependant) -> Iterator[Any]:
    for inner in dependant.dependencies:
        yield inner.call
        yield from _calls(inner)
