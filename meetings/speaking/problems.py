from shared.problems import Problem


class AlreadyAsked(Problem):
    """`position` is the place on the list."""

    status = 409
    code = "already-asked"


class AskedTooOften(Problem):
    """`most` is how often a member may ask in one meeting."""

    status = 409
    code = "asked-too-often"


class SpeechNotInState(Problem):
    """`state` is where the speech stands."""

    status = 409
    code = "speech-not-in-state"
