"""A small issuer on loopback: discovery, keys, and access tokens for whoever a test needs.

It stands for any OpenID provider; the province's own is tested in tests/idp and tests/flows.
"""

import json
import threading
from base64 import b64decode
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from shared import clock, tokens
from shared.ids import new_id


class Issuer:
    def __init__(self) -> None:
        self.key = tokens.generate_key("ES256")
        self.clients: dict[str, tuple[str, str]] = {}  # `id:secret` -> audience, scope: who gets tokens for itself
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = {
                    "/.well-known/openid-configuration": {
                        "issuer": issuer.url,
                        "jwks_uri": f"{issuer.url}/jwks",
                        "token_endpoint": f"{issuer.url}/token",
                    },
                    "/jwks": {"keys": [issuer.key.as_dict(private=False)]},
                }[self.path]
                self._say(200, body)

            def do_POST(self) -> None:
                """Client credentials (RFC 6749, 4.4)."""
                self.rfile.read(int(self.headers["content-length"]))
                known = b64decode(self.headers["authorization"].removeprefix("Basic ")).decode()
                if known not in issuer.clients:
                    self._say(401, {"error": "invalid_client"})
                    return
                audience, scope = issuer.clients[known]
                token = issuer.token_of_client(known.partition(":")[0], audience=audience, scope=scope)
                self._say(200, {"access_token": token, "token_type": "Bearer", "expires_in": 600})

            def _say(self, status: int, body: dict[str, Any]) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def token(self, username: str, *, audience: str, typ: str = "at+jwt", key: Any = None, **changes: Any) -> str:
        """An access token as RFC 9068 has it; `changes` replace claims, None takes one out."""
        now = clock.now()
        claims = {
            "iss": self.url,
            "sub": f"sub-{username}",
            "aud": audience,
            "iat": int(now.timestamp()),
            "exp": int((now + timedelta(minutes=10)).timestamp()),
            "auth_time": int(now.timestamp()),
            "jti": new_id(),
            "client_id": "meetings-web",
            "scope": "openid profile",
            "sid": f"sid-{username}",
            "acr": "urn:dienhong:acr:password",
            "name": username,
            "preferred_username": username,
        } | changes
        return tokens.sign({name: value for name, value in claims.items() if value is not None}, key or self.key, typ=typ)

    def token_of_client(self, client: str, *, audience: str, scope: str, **changes: Any) -> str:
        """As idp gives it to a client for itself: it tells of no person."""
        person = dict.fromkeys(("auth_time", "sid", "acr", "name", "preferred_username"))
        return self.token("", audience=audience, **{**person, "sub": client, "client_id": client, "scope": scope, **changes})

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
