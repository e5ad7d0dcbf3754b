from shared.problems import BadRequest, NotFound, Problem


class WrongPassword(Problem):
    """`left` tries remain before the account has to wait; told alike for names that nobody has."""

    status = 401
    code = "wrong-password"


class AccountWaits(Problem):
    """Too many failures: the account takes no password for `minutes`; told alike for names that nobody has."""

    status = 429
    code = "account-waits"

    def __init__(self, **facts: int) -> None:
        super().__init__(**facts)
        self.headers = {"Retry-After": str(facts["minutes"] * 60)}  # type: ignore[misc]


class CodesWait(Problem):
    """Too many wrong codes: none is taken for `minutes`."""

    status = 429
    code = "codes-wait"


class WrongCode(Problem):
    """No code of this person's application at this time, none that was not used, and no recovery code."""

    status = 401
    code = "wrong-code"


class UserCodeUnknown(Problem):
    """No device waits for this code."""

    status = 422
    code = "user-code-unknown"


class UsernameMissing(Problem):
    status = 422
    code = "username-missing"


class RequestUnknown(NotFound):
    """No such stored authorization request, or it was begun in another browser."""

    code = "request-unknown"


class RequestExpired(BadRequest):
    code = "request-expired"


class CookiesNeeded(BadRequest):
    code = "cookies-needed"
