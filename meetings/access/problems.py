from shared.problems import Problem


class SessionEnded(Problem):
    status = 401
    code = "session-ended"


class NotAnAdministrator(Problem):
    status = 404
    code = "not-an-administrator"


class LastAdministrator(Problem):
    status = 409
    code = "last-administrator"


class InvalidLogoutToken(Problem):
    """OpenID Connect Back-Channel Logout 1.0, section 2.6."""

    status = 400
    code = "invalid-logout-token"
    audited = True
