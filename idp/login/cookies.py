"""The cookies: the session's and the device's hold opaque secrets of which only digests are stored; a third, which scripts
may read, tells applications whether the session is still the same (`oidc.session_state`)."""

import hmac
from functools import cache
from hashlib import sha256
from typing import Annotated, Literal

from fastapi import Depends, Form, Request, Response

from idp.keys.sealing import derive
from idp.settings import IdpSettings
from shared.edge import LANGUAGE_COOKIE
from shared.ids import digest, new_token, same
from shared.problems import CrossSite

STATE = "idp-state"
DEVICE_SECONDS = 400 * 24 * 3600  # the longest that browsers keep a cookie


def _name(settings: IdpSettings, cookie: str) -> str:
    return f"__Host-{cookie}" if settings.secure else cookie


def _read(request: Request, cookie: str) -> str | None:
    value = request.cookies.get(_name(request.app.state.settings, cookie), "")
    return value if 40 <= len(value) <= 64 and value.isascii() else None


def _set(
    request: Request, answer: Response, cookie: str, value: str, max_age: int | None, *, for_scripts: bool = False
) -> None:
    settings: IdpSettings = request.app.state.settings
    site: Literal["none", "lax"] = "none" if for_scripts and settings.secure else "lax"
    answer.set_cookie(
        _name(settings, cookie),
        value,
        max_age=max_age,
        path="/",
        secure=settings.secure,
        httponly=not for_scripts,
        samesite=site,
    )


def session_token(request: Request) -> str | None:
    return _read(request, "idp")


def set_session(request: Request, answer: Response, token: str) -> None:
    _set(request, answer, "idp", token, None)
    _set(request, answer, STATE, browser_state(request.app.state.settings, token), None, for_scripts=True)


def clear_session(request: Request, answer: Response) -> None:
    """Of a browser that has one: an answer to another site's picture changes nothing."""
    if session_token(request):
        _set(request, answer, "idp", "", 0)
        _set(request, answer, STATE, "", 0, for_scripts=True)


def state_cookie(settings: IdpSettings) -> str:
    """Name of the cookie that the page for session management reads."""
    return _name(settings, STATE)


def browser_state(settings: IdpSettings, token: str) -> str:
    """What changes with each sign-in and sign-out of this browser; it tells nothing of the session's secret."""
    return hmac.new(_state_key(settings.secret.get_secret_value()), token.encode(), sha256).hexdigest()[:32]


@cache
def _state_key(secret: str) -> bytes:
    return derive(secret, "browser-state")


def keep_state(request: Request, answer: Response, state: str) -> None:
    """Give the browser its state again where it was lost: without it every application would take the session for another."""
    if not same(request.cookies.get(state_cookie(request.app.state.settings), ""), state):
        _set(request, answer, STATE, state, None, for_scripts=True)


def device(request: Request) -> str | None:
    """Digest of the device cookie, or None for a browser that has none yet."""
    token = _read(request, "device")
    return digest(token) if token else None


def ensure_device(request: Request, answer: Response) -> str:
    """Give the browser a device cookie unless it has one; its digest."""
    if known := device(request):
        return known
    token = new_token()
    _set(request, answer, "device", token, DEVICE_SECONDS)
    return digest(token)


def set_language(request: Request, answer: Response, language: str) -> None:
    """Keep the language that was chosen by link or asked for by an application; it holds no secret."""
    secure = request.app.state.settings.secure
    answer.set_cookie(LANGUAGE_COOKIE, language, max_age=DEVICE_SECONDS, path="/", secure=secure, samesite="lax")


def form_token(request: Request) -> str:
    """What each form carries, useless in another browser: bound to the session, so that no form of one person is sent by
    the next; the forms of the sign-in to the device, since a sign-in in another tab must not spoil them."""
    signing_in = request.scope["path"].startswith("/login")
    bound_to = (None if signing_in else session_token(request)) or _read(request, "device") or ""
    return hmac.new(_form_key(request.app.state.settings.secret.get_secret_value()), bound_to.encode(), sha256).hexdigest()


@cache
def _form_key(secret: str) -> bytes:
    return derive(secret, "form")


def check_form(request: Request, token: str) -> None:
    """Refuse a form that was not sent by our own page (Fetch Metadata, Origin, and a token)."""
    site, sent_from = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    settings: IdpSettings = request.app.state.settings
    if site not in (None, "same-origin") or (site is None and sent_from not in (None, _origin(settings))):
        raise CrossSite()
    if not (session_token(request) or device(request)) or not same(token, form_token(request)):
        raise CrossSite()


def _own_form(request: Request, form_token_: Annotated[str, Form(alias="form_token", max_length=64)] = "") -> None:
    check_form(request, form_token_)


def _origin(settings: IdpSettings) -> str:
    return "/".join(settings.public_url.split("/")[:3])


OwnForm = Depends(_own_form)
