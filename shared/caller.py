"""Who asks: what a verified access token says of the caller, and nothing that the application knows itself."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.problems import FreshSignInNeeded


@dataclass(frozen=True, slots=True)
class Caller:
    subject: str
    username: str
    name: str
    client_id: str
    sid: str
    scopes: frozenset[str]
    acr: str
    amr: tuple[str, ...]
    auth_time: datetime

    def need_fresh_sign_in(self, now: datetime, within: timedelta) -> None:
        """Refuse unless the person proved who they are within the given span (RFC 9470)."""
        if now - self.auth_time > within:
            raise FreshSignInNeeded(max_age=int(within.total_seconds()))
