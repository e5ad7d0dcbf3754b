from shared.problems import Problem


class WrongDoorCode(Problem):
    status = 403
    code = "wrong-door-code"


class CheckInClosed(Problem):
    """`stage` is where the meeting stands."""

    status = 409
    code = "check-in-closed"


class NotPresent(Problem):
    """The act is for those who have checked in."""

    status = 409
    code = "not-present"
