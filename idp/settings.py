"""What the identity provider reads from its environment."""

import ssl
from datetime import timedelta
from functools import cached_property

from pydantic import Field

from shared.settings import Settings


class IdpSettings(Settings):
    session_idle_hours: float = Field(8, gt=0, le=24, description="A session ends after this long without use.")
    session_hours: float = Field(12, gt=0, le=24, description="A session ends this long after sign-in, used or not.")
    access_token_minutes: float = Field(10, gt=0, le=60, description="How long an access token is valid.")
    outbound_hosts: str = Field(
        "", description="Hosts that keys and request objects of clients may be fetched from, by comma; `*`: any public one."
    )
    outbound_ca: str = Field("", description="A file of certificate authorities to trust there beside the usual ones.")
    refresh_token_days: float = Field(30, gt=0, le=365, description="How long a grant with offline_access lives unused.")
    help_line: str = Field("", description="Whom people may call, as it stands at the foot of sign-in pages; empty: no line.")

    @property
    def outbound_names(self) -> frozenset[str]:
        return frozenset(one.strip() for one in self.outbound_hosts.split(",") if one.strip())

    @cached_property
    def outbound_trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self.outbound_ca:
            context.load_verify_locations(self.outbound_ca)
        return context

    @property
    def offline_lifetime(self) -> timedelta:
        return timedelta(days=self.refresh_token_days)

    @property
    def issuer(self) -> str:
        return self.public_url

    @property
    def session_idle(self) -> timedelta:
        return timedelta(hours=self.session_idle_hours)

    @property
    def session_absolute(self) -> timedelta:
        return timedelta(hours=self.session_hours)

    @property
    def access_token_lifetime(self) -> timedelta:
        return timedelta(minutes=self.access_token_minutes)
