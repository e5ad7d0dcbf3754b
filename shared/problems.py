"""Refusals: a status, a stable code and facts. Words are chosen at the edge (RFC 9457)."""

from typing import Any, ClassVar


class Problem(Exception):
    """A refusal. Subclasses set `status` and `code`; `facts` fill the words and go to the client.

    The words stand in the locales under `problem.<code>`. `audited`: whether it leaves an audit event; None: as others of its
    status do.
    """

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad-request"
    audited: ClassVar[bool | None] = None
    headers: ClassVar[dict[str, str]] = {}

    def __init__(self, **facts: Any) -> None:
        super().__init__(self.code)
        self.facts = facts


class BadRequest(Problem):
    pass


class InvalidInput(Problem):
    """`errors` is a list of {"field": "path.to.field", "rule": "..."}; nothing was stored."""

    status = 422
    code = "invalid-input"


class NotSignedIn(Problem):
    status = 401
    code = "not-signed-in"
    audited = False  # a request without any credentials is not worth a row
    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": "Bearer"}


class FreshSignInNeeded(Problem):
    """A step-up challenge (RFC 9470): `max_age` in seconds says how fresh the sign-in must be."""

    status = 401
    code = "fresh-sign-in-needed"

    def __init__(self, **facts: Any) -> None:
        super().__init__(**facts)
        self.headers = {  # type: ignore[misc]
            "WWW-Authenticate": f'Bearer error="insufficient_user_authentication", max_age="{facts.get("max_age", 300)}"'
        }


class Forbidden(Problem):
    status = 403
    code = "forbidden"


class NotFound(Problem):
    """Also for what exists but is not the caller's to know of."""

    status = 404
    code = "not-found"


class MethodNotAllowed(Problem):
    status = 405
    code = "method-not-allowed"


class Conflict(Problem):
    status = 409
    code = "conflict"


class TooLarge(Problem):
    status = 413
    code = "too-large"


class TooManyRequests(Problem):
    status = 429
    code = "too-many-requests"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "20"}


class CrossSite(Problem):
    status = 403
    code = "cross-site"


class Misdirected(Problem):
    """A Host that is not ours: no answer, no letter and no cache is to be made for it (RFC 9110, 15.5.20)."""

    status = 421
    code = "misdirected"


class Unavailable(Problem):
    status = 503
    code = "unavailable"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "2"}
