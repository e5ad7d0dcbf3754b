from shared.problems import Conflict, InvalidInput, Problem


class UsernameTaken(Conflict):
    code = "username-taken"


class BadUsername(InvalidInput):
    code = "bad-username"


class PasswordTooShort(InvalidInput):
    """`least` is the number of signs needed."""

    code = "password-too-short"


class PasswordTooLong(InvalidInput):
    code = "password-too-long"


class PasswordIsUsername(InvalidInput):
    code = "password-is-username"


class SignInBusy(Problem):
    """Too many passwords are being checked at once; nothing was checked."""

    status = 503
    code = "sign-in-busy"
    headers = {"Retry-After": "20"}  # noqa: RUF012
