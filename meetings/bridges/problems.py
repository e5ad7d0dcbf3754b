from shared.problems import Problem


class BridgeNameTaken(Problem):
    status = 409
    code = "bridge-name-taken"


class BodyIsSitting(Problem):
    """A meeting of the body (`title`) has begun and is not over: its quorum is counted by the rule with which it began."""

    status = 409
    code = "body-is-sitting"
