"""A node broken on purpose: one function of the product is replaced in this process before it serves.

`python -m tests.faults.twins NAME --port N`. The product has no hooks for this, so a twin says what of it is replaced; a twin
whose function is gone fails at once.
"""

import sys
from collections.abc import Callable
from typing import Any
from unittest import mock

TWINS: dict[str, Callable[[], None]] = {}


def replace(target: str, new: Any) -> None:
    mock.patch(target, new).start()


def twin(function: Callable[[], None]) -> Callable[[], None]:
    TWINS[function.__name__.replace("_", "-")] = function
    return function


@twin
def no_lock() -> None:
    """Neither ballots nor the close take the lock of the poll."""
    replace("meetings.voting.box.lock", lambda *_arguments, **_named: None)
    replace("meetings.voting.actions.lock", lambda *_arguments, **_named: None)


@twin
def any_origin() -> None:
    """The socket lets in pages of other sites."""
    import meetings.live.socket as room

    real = room.live

    async def live(socket: Any) -> None:
        entry = socket.query_params.get("ticket", "")[:200]
        await socket.app.state.front.enter(socket, socket.scope["extensions"]["wire"], entry)

    replace("meetings.live.socket.live", live)
    assert real is not live


@twin
def early_ack() -> None:
    """The receipt goes out before the transaction is committed."""
    from meetings.voting import box as room

    real = room.cast_together

    class Early(room.Box):
        async def _empty(self) -> None:
            while self._waiting:
                batch, self._waiting = self._waiting[: room.MOST], self._waiting[room.MOST :]
                poll_secret = self._secrets(batch)
                for cast, deliver in batch:
                    deliver(poll_secret(cast))
                try:
                    await self._group.run(lambda tx, batch=batch: real(tx, [cast for cast, _ in batch]))  # type: ignore[misc]
                except Exception as error:
                    print("early:", error, file=sys.stderr)
            self._emptying = None

        def _secrets(self, batch: list[Any]) -> Callable[[Any], Any]:
            def receipt(cast: Any) -> Any:
                with self._db.read() as tx:
                    poll = room._Poll(*(room._POLL.one(tx, id=cast.poll_id) or ()))
                return room._receipt(poll, cast, 1)

            return receipt

    replace("meetings.app.Box", Early)


@twin
def hint_is_content() -> None:
    """A hint that names a number is believed: everybody is told that the log has come so far."""
    from meetings.live.frames import EventsFrame
    from meetings.live.hub import Hub, encode
    from meetings.live.log import Level

    real = Hub.heard

    def heard(self: Any, topic: str) -> None:
        meeting, _, seq = topic.partition("#")
        if seq and (room := self._rooms.get(meeting)):
            frame = encode(EventsFrame(after=room.seq, up_to=int(seq), events=[]))
            self.work(room.say(dict.fromkeys(Level, frame)))
        real(self, meeting)

    replace("meetings.live.hub.Hub.heard", heard)


def main() -> None:
    name = sys.argv.pop(1)
    TWINS[name]()
    from deploy.cli import app

    sys.argv[1:1] = ["serve", "meetings"]
    app()


if __name__ == "__main__":
    main()
