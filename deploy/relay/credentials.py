"""The relay's own access token, by its client's credentials (RFC 6749, 4.4). Of a person's token nothing is kept."""

from ssl import SSLContext
from time import monotonic
from urllib.parse import quote_plus

import httpx2

from deploy.relay.settings import RelaySettings

SCOPE = "meetings.relay"
UNAVAILABLE = (httpx2.HTTPError, KeyError, ValueError)


class Credentials:
    def __init__(self, settings: RelaySettings, tls: SSLContext) -> None:
        secret = settings.relay_client_secret.get_secret_value()
        self._issuer = settings.issuer
        # Encoded as forms are (RFC 6749, 2.3.1).
        self._basic = httpx2.BasicAuth(quote_plus(settings.relay_client_id), quote_plus(secret))
        self._client = httpx2.AsyncClient(verify=tls, trust_env=False, timeout=10, follow_redirects=False)
        self._endpoint = self._token = ""
        self._lives = self._until = 0.0

    async def token(self) -> tuple[str, float]:
        """A token, and for how many seconds: a fresh one when half of its life is over. Else one of `UNAVAILABLE`."""
        left = self._until - monotonic()
        if left < self._lives / 2:
            try:
                self._token, self._lives = await self._fetch()
                left, self._until = self._lives, monotonic() + self._lives
            except UNAVAILABLE:
                if left <= 0:
                    raise
        return self._token, left

    def forget(self) -> None:
        """It is not taken."""
        self._until = 0.0

    async def _fetch(self) -> tuple[str, float]:
        if not self._endpoint:
            known = await self._client.get(f"{self._issuer}/.well-known/openid-configuration")
            metadata = known.raise_for_status().json()
            if metadata["issuer"] != self._issuer:
                raise ValueError("the issuer calls itself otherwise")
            self._endpoint = str(metadata["token_endpoint"])
        asked = {"grant_type": "client_credentials", "scope": SCOPE}
        answer = await self._client.post(self._endpoint, data=asked, auth=self._basic)
        body = answer.raise_for_status().json()
        return str(body["access_token"]), float(body["expires_in"])

    async def close(self) -> None:
        await self._client.aclose()
