"""The environment, read once, as one frozen object."""

import os
from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SecretsSettingsSource, SettingsConfigDict

WEAK_SECRETS = {"", "secret", "changeme", "change-me", "password"}


class FromEnvironment(BaseSettings):
    """Each variable can also come as a file of the same name in `SECRETS_DIR`."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        files = SecretsSettingsSource(settings_cls, secrets_dir=os.environ.get("SECRETS_DIR"))
        return init_settings, env_settings, files


class Settings(FromEnvironment):
    """What both services need."""

    public_url: str = Field(description="The service's own address as browsers see it; no slash at the end.")
    database_url: str = Field(description="`sqlite:///path.db`, or `postgresql://user@host/name`.")
    bus_url: str = Field("", description="Empty: hints stay in this process. `valkey://host:port`: several processes.")
    storage_url: str = Field("", description="Where documents lie: a folder, or `s3://bucket`.")
    secret: SecretStr = Field(description="At least 32 signs; keys for stored secrets and one-time links derive from it.")
    smtp_url: str = Field("", description="`smtp://host:port`, or `file:///folder` to write each letter as a file.")
    mail_from: str = Field("khong-tra-loi@localhost", description="Sender of notices.")
    province: str = Field("tỉnh Bình Lâm", description="The province's name as it stands on pages.")
    trusted_proxies: str = Field("", description="Addresses whose X-Forwarded headers are believed, by comma.")
    workers: int = Field(1, ge=1, description="Processes of this service; more than one needs `BUS_URL`.")
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")

    @model_validator(mode="after")
    def _refuse_what_is_unsafe(self) -> Self:
        if self.secret.get_secret_value().lower() in WEAK_SECRETS or len(self.secret.get_secret_value()) < 32:
            raise ValueError("SECRET must be at least 32 random signs")
        if self.public_url.endswith("/"):
            raise ValueError("PUBLIC_URL must not end with a slash")
        if self.workers > 1 and not self.bus_url:
            raise ValueError("WORKERS above 1 needs BUS_URL: the in-process bus reaches one process only")
        return self

    @property
    def secure(self) -> bool:
        """Whether browsers reach us over TLS; decides cookie names, Secure, and HSTS."""
        return self.public_url.startswith("https://")
