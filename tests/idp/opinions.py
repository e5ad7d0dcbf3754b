"""A second and a third opinion on every token that leaves the application under test, in an answer or on its way to a client:
PyJWT and python-jose check its signature by the published key that it names."""

import re
from typing import Any

import jwt
from fastapi import FastAPI
from jose import jws

from idp.keys.actions import published

TOKEN = re.compile(rb"eyJ[\w-]+\.[\w-]+\.[\w-]{40,}")
UNKNOWN_TO_JOSE = ("PS256",)
ANY_TIME: Any = {f"verify_{name}": False for name in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")}


class SecondOpinions:
    """ASGI around the application; what they do not agree to is an error of the server."""

    def __init__(self, app: FastAPI) -> None:
        self._app, self._keys = app, dict[str, dict[str, Any]]()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        sent: list[bytes] = []
        brought = [scope.get("query_string", b"")]  # a page may show again what a client has sent, forged or not

        async def listening_receive() -> Any:
            message = await receive()
            brought.append(message.get("body", b""))
            return message

        async def listening_send(message: Any) -> None:
            sent.extend(value for name, value in message.get("headers", ()) if name == b"location")
            sent.append(message.get("body", b""))
            if scope["type"] == "http" and message["type"] == "http.response.body" and not message.get("more_body"):
                for token in set(TOKEN.findall(b"\n".join(sent))) - set(TOKEN.findall(b"\n".join(brought))):
                    self.agree(token.decode())
            await send(message)

        await self._app(scope, listening_receive, listening_send)

    def agree(self, token: str) -> dict[str, Any] | None:
        """What both read in it; None for one that none of our keys has signed, as one that a client has sent and sees again."""
        header = jwt.get_unverified_header(token)
        key = self._key(str(header.get("kid")))
        if key is None:
            return None
        assert header["alg"] == key["alg"]
        said: dict[str, Any] = jwt.decode(token, jwt.PyJWK(key), algorithms=[key["alg"]], options=ANY_TIME)
        if key["alg"] not in UNKNOWN_TO_JOSE:
            assert jws.verify(token, key, algorithms=[key["alg"]])
        return said

    def _key(self, kid: str) -> dict[str, Any] | None:
        if kid not in self._keys:
            with self._app.state.db.read() as tx:
                self._keys |= {one["kid"]: one for one in published(tx, self._app.state.settings)["keys"]}
        return self._keys.get(kid)
