"""What the identity provider reads from its environment."""

from datetime import timedelta

from pydantic import Field

from shared.settings import Settings


class IdpSettings(Settings):
    session_idle_hours: float = Field(8, gt=0, le=24, description="A session ends after this long without use.")
    session_hours: float = Field(12, gt=0, le=24, description="A session ends this long after sign-in, used or not.")
    access_token_minutes: float = Field(10, gt=0, le=60, description="How long an access token is valid.")
    help_line: str = Field("", description="Whom people may call, as it stands at the foot of sign-in pages; empty: no line.")

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
