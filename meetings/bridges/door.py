"""Who may do what at the bridge of the path: its lead, beside the desk. Deny first."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from meetings.agenda.door import Seat, Seated
from meetings.agenda.models import Meeting
from meetings.bodies.models import Bridge
from meetings.live.log import Level
from shared.problems import Forbidden, NotFound


@dataclass(frozen=True, slots=True)
class Post:
    """The caller's seat in the meeting, and the bridge of the path."""

    seat: Seat
    bridge: Bridge

    @property
    def leads(self) -> bool:
        return self.bridge.lead_username == self.seat.caller.username


def _need(allowed: Callable[[Post], bool]) -> Callable[..., Post]:
    def dependency(request: Request, seat: Seated, bridge_id: str) -> Post:
        with request.app.state.db.read() as tx:
            bridge = tx.get(Bridge, bridge_id)
            if bridge is None or not bridge.active or bridge.body_id != tx.get_one(Meeting, seat.meeting_id).body_id:
                raise NotFound()
        post = Post(seat, bridge)
        if not allowed(post):
            raise Forbidden()
        return post

    return dependency


Leading = Annotated[Post, Depends(_need(lambda post: post.leads or post.seat.is_secretary))]
Watching = Annotated[Post, Depends(_need(lambda post: post.leads or post.seat.level >= Level.DESK))]
Noting = Annotated[Post, Depends(_need(lambda post: post.seat.level >= Level.DESK))]
