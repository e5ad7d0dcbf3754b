from shared.problems import Problem


class AlreadyAsked(Problem):
    """`position` is the place on the list."""

    status = 409
    code = "already-asked"


class SpeechNotInState(Problem):
    """`state` is where the speech stands."""

    status = 409
    code = "speech-not-in-state"
