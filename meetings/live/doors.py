"""Who may come in when all come at once: a node that falls behind lets in so many a second and tells the others when."""

import asyncio
import random

PER_SECOND = 200.0  # handshakes while the node is behind
LATE = 1.0  # seconds that the event loop may lag before it is
LOOK = 0.1  # seconds between two looks at it
SPREAD = 10.0  # seconds over which those who are sent away come back, at most
TRY_LATER = 1013


def retry_hint(waiting: int) -> str:
    """The reason of a close (RFC 6455, 5.5.1), as the web app reads it: a moment of its own for each of the many."""
    return f"retry_after_ms={random.randint(200, 200 + int(min(SPREAD, waiting / PER_SECOND) * 1000))}"  # noqa: S311


class Doors:
    def __init__(self) -> None:
        self.behind_until = 0.0
        self._left, self._filled_at, self._sent_away = PER_SECOND, 0.0, 0

    async def watch(self) -> None:
        """Measure how late the event loop is, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LOOK
            await asyncio.sleep(LOOK)
            if loop.time() - due > LATE:
                self.behind_until = loop.time() + 5 * LATE

    def admit(self, instant: float) -> str:
        """Empty: come in; else the reason with which to close."""
        if instant >= self.behind_until:
            self._left, self._filled_at, self._sent_away = PER_SECOND, instant, 0
            return ""
        self._left = min(PER_SECOND, self._left + (instant - self._filled_at) * PER_SECOND)
        self._filled_at = instant
        if self._left >= 1:
            self._left -= 1
            return ""
        self._sent_away += 1
        return retry_hint(self._sent_away)
