from shared.problems import Problem


class RehearsalUnderWay(Problem):
    """One at a time in a service: two would measure each other."""

    status = 409
    code = "rehearsal-under-way"


class HouseSitting(Problem):
    """A meeting of this service, `title`, is in session; a rehearsal would take from it what it needs."""

    status = 409
    code = "house-sitting"


class PassRefused(Problem):
    """The pass of a rehearsal is over, or does not open this."""

    status = 403
    code = "pass-refused"
