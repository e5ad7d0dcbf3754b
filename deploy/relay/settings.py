"""What a relay is told by its environment."""

import ssl
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from idp.clients.rules import is_loopback
from shared.settings import FromEnvironment
from shared.trust import authorities


class RelaySettings(FromEnvironment):
    """What a relay needs."""

    public_url: str = Field(description="The address of the meetings service as browsers see it, in the room as elsewhere.")
    upstream_url: str = Field("", description="Where the relay itself reaches that service; empty: at `PUBLIC_URL`.")
    issuer: str = Field(description="The issuer at which the relay gets its access token.")
    relay_client_id: str = Field(description="The relay's own client there.")
    relay_client_secret: SecretStr = Field(description="That client's secret; the key of the cache derives from it, too.")
    cache_folder: str = Field("var/relay", description="Where papers are kept, encrypted.")
    cache_bytes: int = Field(
        2 << 30,
        ge=1 << 20,
        description="How much of them is kept, or less where the disk is full; the longest unused go first.",
    )
    tls_certificate: str = Field("", description="PEM file with the certificate for the name in `PUBLIC_URL`, and its chain.")
    tls_key: str = Field("", description="PEM file with its key.")
    upstream_ca: str = Field("", description="PEM file of authorities to trust upstream, beside the usual ones.")
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")

    @model_validator(mode="after")
    def _refuse_what_is_unsafe(self) -> Self:
        for name, url in (("UPSTREAM_URL", self.upstream), ("ISSUER", self.issuer)):
            if not url.startswith("https://") and not is_loopback(urlsplit(url).hostname):
                raise ValueError(f"{name} must be https: tokens and ballots go over it")
        if self.public_url.endswith("/") or self.upstream.endswith("/"):
            raise ValueError("PUBLIC_URL and UPSTREAM_URL must not end with a slash")
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("TLS_CERTIFICATE and TLS_KEY go together")
        for name in ("tls_certificate", "tls_key", "upstream_ca"):
            if (path := getattr(self, name)) and not Path(path).is_file():
                raise ValueError(f"{name.upper()} names no file")
        if len(self.relay_client_secret.get_secret_value()) < 32:
            raise ValueError("RELAY_CLIENT_SECRET must be at least 32 random signs")
        return self

    @property
    def upstream(self) -> str:
        return self.upstream_url or self.public_url

    def tls(self) -> ssl.SSLContext:
        """How the other sides are verified."""
        return authorities(self.upstream_ca)
