"""OpenID Connect Session Management 1.0: an application asks a hidden page of ours, without a request to the server, whether
the session of its person is still the one that it was told of."""

from hashlib import sha256
from secrets import token_urlsafe
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from starlette.responses import Response

from idp.clients.rules import origin
from idp.login.cookies import browser_state, keep_state, session_token, state_cookie
from idp.oidc.endpoint import Call
from idp.pages.page import show

router = APIRouter(include_in_schema=False)
USUAL_PORTS = {"https": ":443", "http": ":80"}


def web_origin(uri: str) -> str:
    """As browsers write it: lower case, without the usual port."""
    scheme = urlsplit(uri).scheme
    return origin(uri).lower().removesuffix(USUAL_PORTS.get(scheme, "/"))


def session_state(client_id: str, redirect_uri: str, state: str, salt: str) -> str:
    """Section 3.2: what the page can compute again, and nobody else."""
    known = f"{client_id} {web_origin(redirect_uri)} {state} {salt}"
    return f"{sha256(known.encode()).hexdigest()}.{salt}"


def of_browser(call: Call) -> str:
    """Empty for one that has no session."""
    token = session_token(call.request)
    return browser_state(call.settings, token) if token else ""


def member(state: str, client_id: str, redirect_uri: str) -> dict[str, str]:
    """The member of an authorization response; none for an application that is no web page."""
    if not state or not redirect_uri.startswith("http"):
        return {}
    return {"session_state": session_state(client_id, redirect_uri, state, token_urlsafe(9))}


def keep(call: Call, answer: Response, state: str) -> Response:
    """With the state in a cookie of the browser, should that have been lost."""
    if state:
        keep_state(call.request, answer, state)
    return answer


@router.get("/check_session")
def check_session(request: Request) -> Response:
    page = show(request, "check-session.html", cookie=state_cookie(request.app.state.settings))
    # The one page that others may frame: it shows nothing, takes no click and asks the server nothing.
    page.headers["Content-Security-Policy"] = "default-src 'none'; script-src 'self'; base-uri 'none'; frame-ancestors *"
    return page
