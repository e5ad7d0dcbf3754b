from shared.problems import Problem


class MeetingNotInStage(Problem):
    """`stage` is where the meeting stands."""

    status = 409
    code = "meeting-not-in-stage"


class MeetingChangedMeanwhile(Problem):
    """Another secretary was first; `meeting` is what stands now."""

    status = 409
    code = "meeting-changed"


class AgendaTooDeep(Problem):
    status = 422
    code = "agenda-too-deep"


class AgendaEmpty(Problem):
    status = 409
    code = "agenda-empty"


class NoQuorum(Problem):
    """Facts: needed, total, present."""

    status = 409
    code = "no-quorum"


class ItemInUse(Problem):
    status = 409
    code = "item-in-use"


class PollStillOpen(Problem):
    status = 409
    code = "poll-still-open"
