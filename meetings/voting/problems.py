from shared.problems import Problem


class PollNotPrepared(Problem):
    """Only a prepared poll can be changed or opened; `stage` is where it stands."""

    status = 409
    code = "poll-not-prepared"


class PollNotOpen(Problem):
    """The ballot came before the opening or after the close and is not counted; `stage` is where the poll stands."""

    status = 409
    code = "poll-not-open"


class PollNotClosed(Problem):
    status = 409
    code = "poll-not-closed"


class AnotherPollOpen(Problem):
    status = 409
    code = "another-poll-open"


class AlreadyVoted(Problem):
    """A second ballot that does not say which one it replaces; `code` is the short code of the one that counts."""

    status = 409
    code = "already-voted"


class ChangedTooOften(Problem):
    """`code` is the short code of the ballot that counts."""

    status = 409
    code = "changed-too-often"


class NotEligible(Problem):
    """Not on the list that was frozen when the poll opened."""

    status = 403
    code = "not-eligible"


class KeyReused(Problem):
    """The idempotency key was used for another choice."""

    status = 422
    code = "key-reused"
    audited = True


class WeakDatabase(Problem):
    """`settings` names what would let an acknowledged ballot be lost."""

    status = 503
    code = "weak-database"
