"""The two cookies: the session's and the device's. Both hold opaque secrets of which only digests are stored."""

import hmac
from hashlib import sha256
from typing import Annotated

from fastapi import Depends, Form, Request, Response

from idp.keys.sealing import derive
from idp.settings import IdpSettings
from shared.edge import LANGUAGE_COOKIE
from shared.ids import digest, new_token, same
from shared.problems import CrossSite

DEVICE_SECONDS = 400 * 24 * 3600  # the longest that browsers keep a cookie


def _name(settings: IdpSettings, cookie: str) -> str:
    return f"__Host-{cookie}" if settings.secure else cookie


def _read(request: Request, cookie: str) -> str | None:
    value = request.cookies.get(_name(request.app.state.settings, cookie), "")
    return value if 40 <= len(value) <= 64 and value.isascii() else None


def _set(request: Request, answer: Response, cookie: str, value: str, max_age: int | None) -> None:
    settings: IdpSettings = request.app.state.settings
    answer.set_cookie(
        _name(settings, cookie), value, max_age=max_age, path="/", secure=settings.secure, httponly=True, samesite="lax"
    )


def session_token(request: Request) -> str | None:
    return _read(request, "idp")


def set_session(request: Request, answer: Response, token: str) -> None:
    _set(request, answer, "idp", token, None)


def clear_session(request: Request, answer: Response) -> None:
    _set(request, answer, "idp", "", 0)


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
    """What each form carries: bound to the session, before sign-in to the device; useless in another browser."""
    secret = request.app.state.settings.secret.get_secret_value()
    bound_to = session_token(request) or _read(request, "device") or ""
    return hmac.new(derive(secret, "form"), bound_to.encode(), sha256).hexdigest()


def _own_form(request: Request, form_token_: Annotated[str, Form(alias="form_token", max_length=64)] = "") -> None:
    """Refuse a form that was not sent by our own page (Fetch Metadata, Origin, and a token)."""
    site, sent_from = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    settings: IdpSettings = request.app.state.settings
    if site not in (None, "same-origin") or (site is None and sent_from not in (None, _origin(settings))):
        raise CrossSite()
    if not (session_token(request) or device(request)) or not same(form_token_, form_token(request)):
        raise CrossSite()


def _origin(settings: IdpSettings) -> str:
    return "/".join(settings.public_url.split("/")[:3])


OwnForm = Depends(_own_form)
