from shared.problems import Problem


class MinutesNotInStage(Problem):
    """`stage` is where the minutes stand."""

    status = 409
    code = "minutes-not-in-stage"


class MinutesChanged(Problem):
    """Someone else saved in between; `revision` is what stands now."""

    status = 409
    code = "minutes-changed"


class NotYourTurn(Problem):
    """The secretary signs first, then the chair."""

    status = 403
    code = "not-your-turn"


class NoSigningKey(Problem):
    """No signing key is set up for `username`."""

    status = 409
    code = "no-signing-key"
