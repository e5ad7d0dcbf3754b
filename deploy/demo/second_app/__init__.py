"""Lịch công tác: a second application of the province, to show that one sign-in serves all and one sign-out ends all.

A plain relying party of any OpenID provider: authorization code with PKCE (S256), RP-initiated logout, back-channel logout.
"""

from pathlib import Path

from authlib.integrations.starlette_client import OAuth
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from deploy.demo.second_app import routes
from deploy.demo.second_app.logout_token import LogoutTokens
from deploy.demo.second_app.sessions import Sessions, Store
from shared.issuer import IssuerKeys

HERE = Path(__file__).parent
FONTS = HERE.parents[2] / "idp" / "static" / "fonts"
CALENDAR_PORT = 8600


def build(issuer: str, client_id: str, client_secret: str, public_url: str) -> Starlette:
    """The application. `public_url` is its own address as browsers see it; no slash at the end.

    To be registered with the issuer: redirect URI `{public_url}/callback`, post-logout redirect URI `{public_url}/signed-out`,
    back-channel logout URI `{public_url}/backchannel-logout`, scopes `openid profile email`, client_secret_basic.
    """
    app = Starlette(
        routes=[
            Route("/", routes.home),
            Route("/login", routes.login),
            Route("/callback", routes.callback),
            Route("/logout", routes.logout, methods=["POST"]),
            Route("/signed-out", routes.signed_out),
            Route("/backchannel-logout", routes.backchannel_logout, methods=["POST"]),
            Route("/healthz", routes.healthz),
            Mount("/static/fonts", StaticFiles(directory=FONTS, check_dir=False)),
            Mount("/static", StaticFiles(directory=HERE / "static")),
        ],
        middleware=[
            Middleware(routes.Headers),
            Middleware(Sessions, store=(store := Store()), secure=public_url.startswith("https://")),
        ],
    )
    app.state.store, app.state.issuer, app.state.public_url = store, issuer, public_url
    app.state.logout_tokens = LogoutTokens(issuer, client_id, IssuerKeys(issuer))
    app.state.provider = OAuth().register(
        "province",
        client_id=client_id,
        client_secret=client_secret,
        server_metadata_url=f"{issuer}/.well-known/openid-configuration",
        client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256"},
    )
    return app
