from shared.problems import Problem


class SessionEnded(Problem):
    status = 401
    code = "session-ended"


class InvalidLogoutToken(Problem):
    """OpenID Connect Back-Channel Logout 1.0, section 2.6."""

    status = 400
    code = "invalid-logout-token"
    audited = True
