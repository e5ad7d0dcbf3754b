"""What the identity provider reads from its environment."""

import ssl
from contextlib import suppress
from datetime import timedelta
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Self

from cryptography.x509 import Certificate, load_pem_x509_certificates
from pydantic import Field, model_validator

from shared.settings import Settings
from shared.trust import authorities


class IdpSettings(Settings):
    session_idle_hours: float = Field(8, gt=0, le=24, description="A session ends after this long without use.")
    session_hours: float = Field(12, gt=0, le=24, description="A session ends this long after sign-in, used or not.")
    access_token_minutes: float = Field(10, gt=0, le=60, description="How long an access token is valid.")
    outbound_hosts: str = Field(
        "",
        description="Hosts that clients' documents may be fetched from, and that self-registered ones hear of a sign-out at,"
        " by comma; `*`: any public one.",
    )
    outbound_ca: str = Field("", description="A file of certificate authorities to trust there beside the usual ones.")
    client_certificate_header: str = Field(
        "",
        description="The header in which a trusted proxy hands on a client's certificate (RFC 8705); empty: none is taken.",
    )
    client_certificate_ca: str = Field("", description="A file of the authorities whose certificates `tls_client_auth` takes.")
    refresh_token_days: float = Field(30, gt=0, le=365, description="How long a grant with offline_access lives unused.")
    help_line: str = Field("", description="Whom people may call, as it stands at the foot of sign-in pages; empty: no line.")

    @model_validator(mode="after")
    def _take_certificates_from_proxies_only(self) -> Self:
        if self.client_certificate_header and not self.proxies:
            raise ValueError("CLIENT_CERTIFICATE_HEADER needs the addresses or networks of TRUSTED_PROXIES")
        if self.client_certificate_ca and not Path(self.client_certificate_ca).is_file():
            raise ValueError("CLIENT_CERTIFICATE_CA names no file")
        return self

    @cached_property
    def proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The trusted proxies that are named by address or network: never everybody, never a name."""
        found = []
        for one in self.trusted_proxies.split(","):
            with suppress(ValueError):
                found.append(ip_network(one.strip(), strict=False))
        return tuple(found)

    @cached_property
    def client_authorities(self) -> list[Certificate]:
        if not self.client_certificate_ca:
            return []
        return load_pem_x509_certificates(Path(self.client_certificate_ca).read_bytes())

    @property
    def outbound_names(self) -> frozenset[str]:
        return frozenset(one.strip() for one in self.outbound_hosts.split(",") if one.strip())

    @property
    def outbound_trust(self) -> ssl.SSLContext:
        return authorities(self.outbound_ca)

    @cached_property
    def offline_lifetime(self) -> timedelta:
        return timedelta(days=self.refresh_token_days)

    @property
    def issuer(self) -> str:
        return self.public_url

    @cached_property
    def session_idle(self) -> timedelta:
        return timedelta(hours=self.session_idle_hours)

    @cached_property
    def session_absolute(self) -> timedelta:
        return timedelta(hours=self.session_hours)

    @cached_property
    def access_token_lifetime(self) -> timedelta:
        return timedelta(minutes=self.access_token_minutes)
