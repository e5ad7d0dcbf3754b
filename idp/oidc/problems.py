from shared.problems import BadRequest


class RequestRefused(BadRequest):
    """An authorization request that cannot be answered to its client: `error` is OAuth's code, `reason` English."""

    code = "authorization-request-refused"
    audited = True


class LogoutRefused(BadRequest):
    """A sign-out request whose client or address is not known; nobody was signed out."""

    code = "logout-request-refused"
    audited = True


class SignOutUnknown(BadRequest):
    status = 404
    code = "sign-out-unknown"
