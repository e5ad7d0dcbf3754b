"""What the meetings service is told by its environment."""

from pydantic import Field

from shared.settings import Settings


class MeetingsSettings(Settings):
    issuer: str = Field(description="The issuer that signs people in; exactly as in its discovery document.")
    client_id: str = Field(description="The public client under which the web app signs people in.")
    audience: str = Field(description="What an access token's `aud` must hold to be taken here.")
    relays: str = Field("", description="Clients whose relays may carry the tablets of a room, by comma; empty: none.")
    signers_url: str = Field(
        "",
        description="Folder of signing keys: `USERNAME.p12` with its passphrase in `USERNAME.pass`; empty: nobody signs here.",
    )
    tsa_url: str = Field("", description="RFC 3161 time-stamping service; empty: signatures carry no time stamp.")
    trust_roots: str = Field("", description="PEM file of the certificate authorities that signatures are checked against.")
